"""A headless Chromium that speaks to 127.0.0.1 alone."""

import os
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from support.session import PATIENCE_S

DRIVER, CHROMIUM = "/usr/bin/chromedriver", "/usr/bin/chromium"
QUIET = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--disable-sync",
         "--disable-breakpad", "--no-proxy-server", "--hide-scrollbars"]


class NiceService(Service):
    """A browser gives way to tests in which something has to be in time."""

    def start(self):
        def start_nicely():
            os.setpriority(os.PRIO_PROCESS, 0, 10)  # of this thread, and so of what it starts
            super(NiceService, self).start()

        with ThreadPoolExecutor(1) as pool:
            pool.submit(start_nicely).result()


class Browser:
    """Its profile and all else that it writes is in a directory of its own, which goes with it. `localhost` and the other
    `names` lead to 127.0.0.1, and no name anywhere else."""

    def __init__(self, javascript=True, names=()):
        # not that of a test: it makes a socket there, whose path has at most 107 bytes
        self._directory = Path(tempfile.mkdtemp(prefix="pgcurfew-", dir="/tmp"))
        options = Options()
        options.binary_location = CHROMIUM
        mapped = [f"MAP {name} 127.0.0.1" for name in ("localhost", *names)]
        for argument in [*QUIET, f"--user-data-dir={self._directory}",
                         f"--host-resolver-rules={', '.join([*mapped, 'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1'])}"]:
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # which it refuses to set up for root
        if not javascript:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        environment = {**os.environ, "HOME": str(self._directory), "TMPDIR": str(self._directory)}
        try:
            self.driver = webdriver.Chrome(service=NiceService(DRIVER, env=environment), options=options)
        except BaseException:
            self._end_processes()
            raise
        self.driver.set_page_load_timeout(PATIENCE_S)
        self.driver.set_script_timeout(PATIENCE_S)

    def close(self):
        try:
            self.driver.quit()
        finally:
            self._end_processes()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- what a reader does and sees ----------------------------------------------------------------------------

    def open(self, url):
        self.driver.get(url)

    def run(self, script, *arguments):
        """The value that a script returns."""
        return self.driver.execute_script(script, *arguments)

    def texts(self, selector):
        return self.run("return Array.from(document.querySelectorAll(arguments[0]), each => each.innerText)", selector)

    @property
    def text(self):
        return self.run("return document.body.innerText")

    def resize(self, width, height=800, scale=1):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False})

    def prefer(self, scheme):
        """`dark` or `light`."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def before_each_page(self, script):
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def complaints(self):
        """What the console has said since it was last asked: errors of scripts, what the CSP has blocked, and so on."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    # -- inside -------------------------------------------------------------------------------------------------

    def _own_processes(self):
        """Those that write to the directory, and no one else's."""
        wanted = os.fsencode(str(self._directory))
        for path in Path("/proc").glob("[0-9]*"):
            pid = int(path.name)
            try:
                if pid != os.getpid() and (wanted + b"\0" in (path / "environ").read_bytes()
                                           or wanted in (path / "cmdline").read_bytes()):
                    yield pid
            except OSError:
                continue  # it has just ended

    def _end_processes(self):
        deadline = time.monotonic() + PATIENCE_S
        while (left := list(self._own_processes())) and time.monotonic() < deadline:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
        shutil.rmtree(self._directory, ignore_errors=True)
