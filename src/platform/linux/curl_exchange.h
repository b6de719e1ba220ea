// One request and its response, as libcurl's callbacks see them.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>
#include <vector>

#include "src/platform/linux/awaits.h"
#include "src/platform/linux/reactor.h"
#include "src/runtime/http.h"

namespace forebay::platform {

/// libcurl's handles, with their buffers, to use again: to make one costs as much as a small
/// exchange. What is remembered of the last exchange is not: connections belong to the driver.
class EasyHandles {
 public:
  EasyHandles() = default;
  EasyHandles(const EasyHandles&) = delete;
  EasyHandles& operator=(const EasyHandles&) = delete;
  ~EasyHandles();

  CURL* Take();
  void Give(CURL* easy);

 private:
  std::vector<CURL*> free_;
};

/// Lives on the heap from Send to the end of the response. libcurl's callbacks only change its
/// state and let the one waiting coroutine go on; that coroutine never runs inside them.
class CurlExchange {
 public:
  CurlExchange(Reactor& reactor, CURLM* multi, EasyHandles& handles, HttpRequest request);
  CurlExchange(const CurlExchange&) = delete;
  CurlExchange& operator=(const CurlExchange&) = delete;
  /// Gives the exchange up where it is not over. Not from within a callback of libcurl.
  ~CurlExchange();

  Result<void> Start();
  /// From the driver: libcurl is done with it.
  void Finish(CURLcode code);

  /// Until the response's head is there and the request's body is no longer needed.
  Task<Result<void>> WaitForHead(Call call);
  Task<Result<size_t>> Read(MutableBytes into, Call call);

  /// "10.0.0.7:80", once the head is there.
  std::string peer() const;
  int status() const { return status_; }
  const std::vector<HttpHeader>& headers() const { return headers_; }

 private:
  class Wait;

  static size_t OnHeader(char* data, size_t size, size_t count, void* me);
  static size_t OnBody(char* data, size_t size, size_t count, void* me);
  static size_t OnRead(char* into, size_t size, size_t count, void* me);
  static int OnSeek(void* me, curl_off_t offset, int origin);

  void TakeHeaderLine(std::string_view line);
  size_t TakeBody(Bytes bytes);
  size_t GiveBody(MutableBytes into);

  Result<void> SetHeaders();
  void SetMethodAndBody();
  void SetLimits();
  void SetTls();
  uint64_t BodyBytes() const;
  bool HeadReady() const { return ended_ || (head_done_ && (body_given_ || status_ >= 400)); }
  bool BodyReady() const { return ended_ || read_at_ < buffer_.size(); }
  size_t CopyBuffered(MutableBytes into);
  void Notify();
  Error EndError() const;

  Reactor& reactor_;
  CURLM* multi_;
  EasyHandles& handles_;
  CURL* easy_;
  curl_slist* header_list_ = nullptr;
  const HttpRequest request_;
  const std::string what_;  // for messages: without query and credentials, which may be secrets

  size_t part_ = 0;  // of the request's body
  size_t part_offset_ = 0;
  bool body_given_ = false;

  int status_ = 0;
  std::vector<HttpHeader> headers_;
  bool head_done_ = false;
  bool head_taken_ = false;  // from here on the request's memory is not ours to look at

  MutableBytes target_;  // of who waits for bytes: they go there without a stop in the buffer
  size_t filled_ = 0;
  std::vector<std::byte> buffer_;  // what came and was not read yet, from read_at_ on
  size_t read_at_ = 0;
  bool paused_ = false;

  bool added_ = false;
  bool ended_ = false;
  CURLcode code_ = CURLE_OK;
  Wait* waiting_ = nullptr;
};

}  // namespace forebay::platform
