#include "report/web_answer.hpp"

#include <utility>

#include "report/metrics.hpp"
#include "report/status_json.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kMetrics = "text/plain; version=0.0.4; charset=utf-8";

constexpr std::string_view kIndex =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>pgcurfew</title></head>\n"
    "<body><h1>pgcurfew</h1>\n<ul>\n"
    "<li><a href=\"/status\">/status</a>: the state, in JSON; <code>pgcurfew status</code> prints it</li>\n"
    "<li><a href=\"/metrics\">/metrics</a>: for Prometheus</li>\n"
    "<li><a href=\"/healthz\">/healthz</a>: whether the main loop turns</li>\n"
    "<li><a href=\"/readyz\">/readyz</a>: whether every server is watched</li>\n"
    "</ul></body></html>\n";

WebAnswer refusal(unsigned status, std::string text) {
  return {status, kText, std::move(text) + "\n"};
}

WebAnswer answer_of(Health health) {
  return {health.is_good ? 200U : 503U, kJson, std::move(health.body)};
}

}  // namespace

WebAnswer answer(const WebRequest& request, const ListenAddress& address, const WebSources& sources) {
  if (request.host && !is_host_of(address, *request.host))
    return refusal(403, "the Host header names another host; use localhost or the address itself");
  if (request.method != "GET" && request.method != "HEAD")
    return refusal(405, "only GET and HEAD are answered here");
  if (request.path == "/") return {200, kHtml, std::string(kIndex)};
  const bool is_known = request.path == "/metrics" || request.path == "/status" ||
                        request.path == "/healthz" || request.path == "/readyz";
  if (!is_known) return refusal(404, "there are /metrics, /status, /healthz and /readyz");
  const auto picture = sources.picture();
  const auto now = sources.now();
  if (request.path == "/healthz") return answer_of(health_of(picture.get(), now));
  if (request.path == "/readyz") return answer_of(readiness_of(picture.get(), now));
  if (!picture) return refusal(503, "there is no picture of the state yet");
  if (request.path == "/metrics") return {200, kMetrics, metrics_of(*picture, sources.process(), now)};
  return {200, kJson, status_json(*picture, now)};
}

}  // namespace pgcurfew
