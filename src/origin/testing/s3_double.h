// S3 for simulated worlds, in memory: objects under conditions, uploads in parts, listings, and
// signatures that it checks by itself. Every state that an object ever had is kept, so that what
// readers were given can be held against it.
//
//   S3Double store({.bucket = "b", .now = ...});
//   world.http().Add("https://s3.test", store.Handler());
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/sim_http.h"
#include "src/base/bytes.h"

namespace forebay {

struct S3DoubleOptions {
  std::string bucket = "bucket";
  std::string region = "us-east-1";
  /// Wall time in nanoseconds; signatures must be of the last or next 15 minutes.
  std::function<int64_t()> now;
  uint64_t min_part_bytes = 0;
  bool knows_conditional_delete = true;
  bool condition_before_upload = false;  // of a completion whose upload is over
  bool spaces_as_plus = true;            // of listings, as S3 has it
};

class S3Double {
 public:
  explicit S3Double(S3DoubleOptions options) : options_(std::move(options)) {}
  S3Double(const S3Double&) = delete;
  S3Double& operator=(const S3Double&) = delete;

  sim::HttpHandler Handler();

  /// Whoever signs with these is let in; without any, nobody need sign. `token` is that of
  /// temporary keys.
  struct Account {
    std::string secret;
    std::string token;
  };
  void SetAccounts(std::map<std::string, Account> accounts) { accounts_ = std::move(accounts); }
  /// The next requests are answered so, before anything is looked at.
  void AnswerNext(sim::SimHttpReply reply) { scripted_.push_back(std::move(reply)); }
  /// The next completions say 200, and that they failed.
  void FailCompletions(int count, std::string code) {
    failing_completions_ = count;
    failing_code_ = std::move(code);
  }

  /// How far its clock is ahead.
  void SetClockSkew(Duration skew) { skew_ = skew; }

  /// Another client writes or removes.
  std::string Put(const std::string& key, std::string contents);
  /// An object of any size, with the bytes of sim::TagBytes(tag, ...), that nobody stores.
  void PutTagged(const std::string& key, uint64_t tag, uint64_t size);
  void Remove(const std::string& key) { objects_.erase(key); }

  std::optional<std::string> ContentsOf(const std::string& key) const;
  /// False, too, where the object never had that etag.
  bool IsRight(const std::string& key, const std::string& etag, uint64_t offset, Bytes bytes) const;
  bool EverHad(const std::string& key, const std::string& etag) const;
  size_t open_uploads() const { return uploads_.size(); }
  /// "GET", "PUT part", "POST uploads", "list" and so on: how often each was asked.
  const std::map<std::string, uint64_t>& asked() const { return asked_; }
  uint64_t Asked(const std::string& what) const;

 private:
  using Said = std::map<std::string, std::string>;  // headers of answers
  struct Object {
    std::string contents;
    std::string etag;
    Said said;
    int64_t modified_ns = 0;
    std::optional<uint64_t> tag;  // instead of contents
    uint64_t tagged_size = 0;
    uint64_t size() const { return tag ? tagged_size : contents.size(); }
  };
  struct Upload {
    std::string key;
    Said said;
    std::map<uint32_t, Object> parts;
  };
  /// A request, taken apart.
  struct Request {
    const sim::SimHttpRequest& http;
    std::string key;
    std::map<std::string, std::string> query;  // decoded
    std::string_view Header(std::string_view name) const;
    bool Has(const std::string& name) const { return query.contains(name); }
  };
  using Reply = sim::SimHttpReply;

  Reply Handle(const sim::SimHttpRequest& request);
  Reply Dispatch(const Request& asked);
  std::optional<Reply> CheckSignature(const sim::SimHttpRequest& request) const;

  static Said SaidIn(const Request& asked);
  Reply Get(const Request& asked, bool with_body);
  Reply PutObject(const Request& asked);
  Reply Delete(const Request& asked);
  Reply List(const Request& asked);
  Reply CreateUpload(const Request& asked);
  Reply Uploads(const Request& asked) const;
  Reply PutPart(const Request& asked, Upload& upload);
  Reply Parts(const Request& asked, const Upload& upload);
  Reply Complete(const Request& asked, const std::string& id);

  std::optional<Reply> CheckCondition(const Request& asked) const;
  void Store(const std::string& key, Object object);
  Reply Ok(std::vector<HttpHeader> headers, std::string body = {}) const;

  int64_t Now() const { return options_.now() + skew_.count(); }

  const S3DoubleOptions options_;
  Duration skew_{0};
  std::map<std::string, Account> accounts_;
  std::vector<sim::SimHttpReply> scripted_;
  int failing_completions_ = 0;
  std::string failing_code_;
  std::map<std::string, Object> objects_;
  std::map<std::string, std::map<std::string, std::string>> history_;  // key, etag: contents
  std::map<std::string, Upload> uploads_;
  uint64_t last_upload_ = 0;
  std::map<std::string, uint64_t> asked_;
};

/// An error as S3 writes it.
sim::SimHttpReply S3Error(int status, std::string_view code, std::string_view more = {});

}  // namespace forebay
