// Azure Blob for simulated worlds, in memory: conditions, blocks, listings with opaque markers, and
// proofs that it checks by itself; with the services that give tokens beside it. Every state that
// an object ever had is kept, so that what readers were given can be held against it.
//
//   BlobDouble store({.now = ...});
//   world.AddHttpServer("https://account.blob.core.windows.net", store.Handler());
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/sim_http.h"
#include "src/base/bytes.h"

namespace forebay {

struct BlobDoubleOptions {
  std::string account = "account";
  std::string container = "data";
  std::string key = "bm90IGEgc2VjcmV0";  // in base64
  /// Wall time in nanoseconds; what is signed must be of the last or next 15 minutes.
  std::function<int64_t()> now;
  /// Directories are told as such, and all names in the order of their parts.
  bool hierarchical = false;
  uint32_t most_on_a_page = 5000;
  int64_t token_seconds = 3600;
  /// Whether the next answer with a CRC64 has a byte changed on its way; null: never.
  std::function<bool()> damages;
};

class BlobDouble {
 public:
  explicit BlobDouble(BlobDoubleOptions options) : options_(std::move(options)) {}
  BlobDouble(const BlobDouble&) = delete;
  BlobDouble& operator=(const BlobDouble&) = delete;

  sim::HttpHandler Handler();
  /// For "http://169.254.169.254".
  sim::HttpHandler MachineHandler();
  /// For "https://login.microsoftonline.com"; exchanges `assertion` for a token.
  sim::HttpHandler AuthorityHandler(std::string assertion);

  /// The default: whoever signs with the key, or has a token that was given and has not ended.
  void LetInEverybody() { open_ = true; }
  /// The query that lets in, "sig=...&se=...".
  void SetSas(std::string sas) { sas_ = std::move(sas); }
  void SetKey(std::string key) { options_.key = std::move(key); }
  void ForgetTokens() { tokens_.clear(); }
  void SetTokenSeconds(int64_t seconds) { options_.token_seconds = seconds; }
  uint64_t tokens_given() const { return last_token_; }
  /// The next requests are answered so, before anything is looked at.
  void AnswerNext(sim::SimHttpReply reply) { scripted_.push_back(std::move(reply)); }

  /// Another client writes, removes, makes a directory.
  std::string Put(const std::string& blob, std::string contents);
  /// An object of any size, with the bytes of sim::TagBytes(tag, ...), that nobody stores.
  void PutTagged(const std::string& blob, uint64_t tag, uint64_t size);
  void Remove(const std::string& blob) { objects_.erase(blob); }
  void MakeDirectory(const std::string& blob);
  /// Changes what is said of an object, as the service's own tools can.
  void Say(const std::string& blob, const std::string& header, std::string value);
  void PutBlock(const std::string& blob, const std::string& id, std::string contents);

  std::optional<std::string> ContentsOf(const std::string& blob) const;
  /// False, too, where the object never had that etag.
  bool IsRight(const std::string& blob, const std::string& etag, uint64_t offset,
               Bytes bytes) const;
  bool EverHad(const std::string& blob, const std::string& etag) const;
  size_t UncommittedBlocks(const std::string& blob) const;
  /// "GET", "PUT", "PUT block", "list" and so on: how often each was asked.
  uint64_t Asked(const std::string& what) const;
  const std::string& last_authorization() const { return last_authorization_; }

 private:
  struct Object {
    std::string contents;
    std::string etag;
    std::map<std::string, std::string> said;  // headers of answers: properties and metadata
    bool directory = false;
    int64_t modified_ns = 0;
    std::vector<std::pair<std::string, uint64_t>> blocks;  // id, size
    std::optional<uint64_t> tag;                           // instead of contents
    uint64_t tagged_size = 0;
    uint64_t size() const { return tag ? tagged_size : contents.size(); }
  };
  /// A request, taken apart.
  struct Request {
    const sim::SimHttpRequest& http;
    std::string path;  // still encoded
    std::string blob;
    std::map<std::string, std::string> query;  // decoded
    std::string_view Header(std::string_view name) const;
    std::string Query(const std::string& name) const;
  };
  using Reply = sim::SimHttpReply;

  Reply Handle(const sim::SimHttpRequest& http);
  Reply Dispatch(const Request& asked);
  std::optional<Reply> CheckProof(const Request& asked);
  std::string Signature(const Request& asked) const;
  Reply GiveToken();

  Reply Get(const Request& asked);
  /// Adds the CRC64 of its body to an answer.
  void TellCrc64(Reply& reply) const;
  Reply PutObject(const Request& asked);
  Reply StoreBlock(const Request& asked);
  Reply CommitBlocks(const Request& asked);
  Reply Blocks(const Request& asked) const;
  Reply Delete(const Request& asked);
  Reply List(const Request& asked) const;
  std::vector<std::string> Names(const Request& asked) const;
  std::string Entry(const std::string& name, bool is_prefix) const;

  std::optional<Reply> CheckCondition(const Request& asked) const;
  Reply Store(const Request& asked, Object object);

  BlobDoubleOptions options_;
  bool open_ = false;
  std::string sas_;
  std::map<std::string, int64_t> tokens_;  // until when
  uint64_t last_token_ = 0;
  uint64_t last_version_ = 0;
  std::vector<sim::SimHttpReply> scripted_;
  std::map<std::string, Object> objects_;
  std::map<std::string, std::map<std::string, std::string>> history_;      // blob, etag: contents
  std::map<std::string, std::map<std::string, std::string>> uncommitted_;  // blob, id: contents
  std::map<std::string, uint64_t> asked_;
  std::string last_authorization_;
};

/// An error as the service writes it.
sim::SimHttpReply BlobError(int status, std::string_view code, std::string_view message = "No.");

}  // namespace forebay
