// The messages that a connection begins with, and the codec of all. Plain structs:
// texts are views, of the frame that was received or of what the sender keeps. Reading is in
// read_messages.h, writing in write_messages.h, administration in admin_messages.h, what is asked
// of a whole cell in cell_messages.h, what nodes ask one another in peer_messages.h.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "src/base/hash.h"
#include "src/base/result.h"
#include "src/wire/fields.h"
#include "src/wire/frame.h"

namespace forebay::wire {

inline constexpr uint32_t kMagic = 0x59414246;  // "FBAY"
inline constexpr uint16_t kMinVersion = 1;
inline constexpr uint16_t kMaxVersion = 2;

// What a field may hold. A path is "/ATTACHMENT/KEY".
inline constexpr size_t kMaxPathBytes = 1 + 63 + 1 + 1024;
inline constexpr size_t kMaxEtagBytes = 128;
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxUrlBytes = 2048;
inline constexpr size_t kMaxUploadIdBytes = 512;
inline constexpr size_t kMaxErrorBytes = 4096;
/// Enough for every request that carries no list.
inline constexpr size_t kSmallRequestBytes = 8192;

using Nonce = std::array<std::byte, 32>;
using Proof = std::array<std::byte, 32>;  // HMAC-SHA256

// -- The handshake: Hello, Welcome, Auth, Ready; Refused in place of either answer. The header,
// Hello and Refused are read by every version there will be: their layout never changes, later
// versions add fields behind.

struct Hello {
  static constexpr MessageType kType = MessageType::kHello;
  uint32_t magic = kMagic;
  uint16_t min_version = kMinVersion;
  uint16_t max_version = kMaxVersion;
  Nonce nonce{};
  uint64_t features = 0;    // none so far: bits that are not known are ignored
  std::string_view client;  // "forebay 0.1.0", for logs
  std::string_view later;   // of later versions
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("magic", m.magic);
    v.Number("min_version", m.min_version);
    v.Number("max_version", m.max_version);
    v.Fixed("nonce", m.nonce);
    v.Number("features", m.features);
    v.Text("client", m.client, kMaxNameBytes);
    v.Rest("later", m.later);
  }
};

/// What the server keeps a client to.
struct Limits {
  uint32_t max_meta_bytes = kMaxMetaBytes;
  uint32_t max_read_bytes = kMaxDataBytes;  // of one Read, Get or item of GetMany
  uint32_t max_put_bytes = 1u << 20;        // data of one Put or PutData
  uint32_t put_window_bytes = 4u << 20;     // of PutData sent and not answered, an upload
  uint16_t max_in_flight = 256;             // requests not answered, a connection
  uint16_t max_get_many = 1024;             // items
  uint16_t max_list = 1000;                 // entries of one page
  uint16_t max_uploads = 64;                // open ones, a connection
  uint32_t max_handles = 65'536;            // a connection
  uint32_t idle_timeout_ms = 0;             // nothing received for so long: closed; 0: never
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("max_meta_bytes", m.max_meta_bytes);
    v.Number("max_read_bytes", m.max_read_bytes);
    v.Number("max_put_bytes", m.max_put_bytes);
    v.Number("put_window_bytes", m.put_window_bytes);
    v.Number("max_in_flight", m.max_in_flight);
    v.Number("max_get_many", m.max_get_many);
    v.Number("max_list", m.max_list);
    v.Number("max_uploads", m.max_uploads);
    v.Number("max_handles", m.max_handles);
    v.Number("idle_timeout_ms", m.idle_timeout_ms);
  }
  friend bool operator==(const Limits&, const Limits&) = default;
};

enum AuthMethod : uint8_t {
  kAuthNone = 1,   // the node knows enough: a Unix socket's credentials, or loopback
  kAuthToken = 2,  // prove a token
};
enum Feature : uint64_t {
  kFeatureWindow = 1,  // Window and WindowSegment are answered
};

struct Welcome {
  static constexpr MessageType kType = MessageType::kWelcome;
  uint16_t version = kMaxVersion;  // spoken from here on
  uint8_t auth_methods = 0;        // AuthMethods that would do
  Nonce nonce{};
  uint64_t features = 0;
  Hash128 node_id;
  std::string_view node_name;
  Limits limits;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("version", m.version);
    v.Number("auth_methods", m.auth_methods);
    v.Fixed("nonce", m.nonce);
    v.Number("features", m.features);
    v.Hash("node_id", m.node_id);
    v.Text("node_name", m.node_name, kMaxNameBytes);
    Limits::Fields(v, m.limits);
  }
};

struct Auth {
  static constexpr MessageType kType = MessageType::kAuth;
  uint8_t method = kAuthNone;  // exactly one
  std::string_view token_name;
  Proof proof{};  // over ClientTranscript (handshake.h); zeros without a token
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("method", m.method);
    v.Text("token_name", m.token_name, kMaxNameBytes);
    v.Fixed("proof", m.proof);
  }
};

struct Ready {
  static constexpr MessageType kType = MessageType::kReady;
  Proof proof{};  // over ServerTranscript; zeros without a token
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Fixed("proof", m.proof);
  }
};

struct Refused {
  static constexpr MessageType kType = MessageType::kRefused;
  uint16_t status = kStatusOk;
  uint16_t min_version = kMinVersion;  // what the server speaks
  uint16_t max_version = kMaxVersion;
  std::string_view message;
  std::string_view later;  // of later versions
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("status", m.status);
    v.Number("min_version", m.min_version);
    v.Number("max_version", m.max_version);
    v.Text("message", m.message, kMaxErrorBytes);
    v.Rest("later", m.later);
  }
};

// -- Of every request and answer.

/// What every request's meta begins with (those of the handshake excepted).
struct RequestHead {
  uint32_t deadline_ms = 0;  // from its arrival; 0: none
  Hash128 trace;             // 0: the server draws one
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Number("deadline_ms", m.deadline_ms);
    v.Hash("trace", m.trace);
  }
};

/// The meta of every answer whose status is not 0.
struct ErrorAnswer {
  std::string_view message;
  template <class V, class M>
  static void Fields(V& v, M& m) {
    v.Text("message", m.message, kMaxErrorBytes);
  }
};

/// Where there is nothing to say.
struct Empty {
  template <class V, class M>
  static void Fields(V&, M&) {}
};

}  // namespace forebay::wire
