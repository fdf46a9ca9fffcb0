#include "report/http_get.hpp"

#include <array>
#include <chrono>
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

}  // namespace

Result<HttpReply> http_get(const ListenAddress& address, const std::string& path, Duration deadline) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return failure("could not start an HTTP client");
  HttpReply reply;
  std::array<char, CURL_ERROR_SIZE> error{};
  const auto url = address.is_unix() ? "http://localhost" + path : "http://" + to_text(address) + path;
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(deadline).count();
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http");
  if (address.is_unix()) curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, address.path.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(milliseconds));
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, error.data());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &reply.body);
  if (const auto code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    const std::string_view why = error.front() != 0 ? error.data() : curl_easy_strerror(code);
    return failure(fmt::format("no answer from {}: {}", to_text(address), why));
  }
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &reply.status);
  return reply;
}

}  // namespace pgcurfew
