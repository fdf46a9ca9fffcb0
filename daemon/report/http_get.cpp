#include "report/http_get.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <string_view>

#include <curl/curl.h>
#include <fmt/format.h>

namespace pgcurfew {

namespace {

constexpr std::size_t kMostReplyBytes = std::size_t{64} << 20U;

std::size_t take_bytes(const char* bytes, std::size_t size, std::size_t count, void* into) {
  auto& body = *static_cast<std::string*>(into);
  // another number than it was given ends the transfer
  if (body.size() + size * count > kMostReplyBytes) return 0;
  body.append(bytes, size * count);
  return size * count;
}

/// That of the server; those of its issuers follow.
std::string first_certificate_of(std::string_view pem) {
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  const auto end = pem.find(kEnd);
  return std::string(end == std::string_view::npos ? pem : pem.substr(0, end + kEnd.size())) + "\n";
}

/// The host of its URL. A server that listens on all addresses is reached by that of the loopback interface.
std::string host_of(const ListenAddress& address) {
  if (address.is_unix()) return "localhost";
  auto reached = address;
  const bool is_any = std::all_of(address.address.bytes.begin(), address.address.bytes.end(),
                                  [](auto byte) { return byte == 0; });
  if (is_any && address.address.is_v6) reached.address.bytes[15] = 1;
  if (is_any && !address.address.is_v6) reached.address.bytes = {127, 0, 0, 1};
  return to_text(reached);
}

}  // namespace

Result<HttpReply> http_get(const HttpServer& server, const std::string& path, Duration deadline) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return failure("could not start an HTTP client");
  HttpReply reply;
  std::array<char, CURL_ERROR_SIZE> error{};
  const auto& address = server.address;
  const std::string scheme = server.certificate.empty() && !server.trusts_any_certificate ? "http" : "https";
  const auto url = fmt::format("{}://{}{}", scheme, host_of(address), path);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(deadline).count();
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, scheme.c_str());
  if (!server.certificate.empty()) {
    // that very certificate is expected, whichever names it is for; not another one of the same issuer
    const auto expected = first_certificate_of(server.certificate);
    curl_blob blob{};
    blob.data = const_cast<char*>(expected.data());
    blob.len = expected.size();
    blob.flags = CURL_BLOB_COPY;
    // without it all that the system trusts would do
    if (curl_easy_setopt(curl.get(), CURLOPT_CAINFO_BLOB, &blob) != CURLE_OK)
      return failure("this libcurl cannot expect a certificate");
    curl_easy_setopt(curl.get(), CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (server.trusts_any_certificate) {
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!server.user.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    curl_easy_setopt(curl.get(), CURLOPT_USERNAME, server.user.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PASSWORD, server.password.c_str());
  }
  if (address.is_unix()) curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, address.path.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(milliseconds));
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, error.data());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &reply.body);
  if (const auto code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    std::string_view why = error.front() != 0 ? error.data() : curl_easy_strerror(code);
    // libcurl speaks of a port that a socket of this machine does not have
    long number = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_OS_ERRNO, &number);
    if (address.is_unix() && code == CURLE_COULDNT_CONNECT && number != 0)
      why = std::strerror(static_cast<int>(number));
    return failure(fmt::format("no answer from {}: {}", to_text(address), why));
  }
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &reply.status);
  return reply;
}

}  // namespace pgcurfew
