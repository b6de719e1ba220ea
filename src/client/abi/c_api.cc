// The client and reading, as C sees them.
#include <algorithm>
#include <new>

#include "src/client/abi/environment.h"
#include "src/client/abi/handles.h"

using namespace forebay;
using namespace forebay::client;

#ifndef FOREBAY_VERSION
#error "the build names the version"
#endif

extern "C" {

const char* forebay_version(void) {
  return FOREBAY_VERSION;
}

int forebay_abi_version(void) {
  return FOREBAY_ABI_VERSION;
}

// ---- A client of one node.

int forebay_connect(const forebay_options* options, forebay_client** client) {
  if (client == nullptr) return Invalid("forebay_connect: client is NULL");
  *client = nullptr;
  return Guarded([&]() -> int {
    auto made = OptionsOf(options);
    if (!made) return Failed(made.error());
    auto connected = Client::Connect(ThisMachine(), std::move(*made));
    if (!connected) return Failed(connected.error());
    *client = new forebay_client{std::move(*connected)};
    return FOREBAY_OK;
  });
}

void forebay_disconnect(forebay_client* client) {
  delete client;
}

// ---- Reading.

int forebay_stat(forebay_client* client, const char* path, forebay_info* info) {
  if (client == nullptr || path == nullptr || info == nullptr) {
    return Invalid("forebay_stat: client, path or info is NULL");
  }
  return Guarded([&]() -> int {
    const auto found = client->client->Stat(path);
    if (!found) return Failed(found.error());
    Fill(*found, info);
    return FOREBAY_OK;
  });
}

int forebay_open(forebay_client* client, const char* path, forebay_file** file) {
  if (file == nullptr) return Invalid("forebay_open: file is NULL");
  *file = nullptr;
  if (client == nullptr || path == nullptr) {
    return Invalid("forebay_open: client or path is NULL");
  }
  return Guarded([&]() -> int {
    auto opened = client->client->Open(path);
    if (!opened) return Failed(opened.error());
    auto made = std::make_unique<forebay_file>();
    Fill((*opened)->info(), &made->info);
    made->file = std::move(*opened);
    *file = made.release();
    return FOREBAY_OK;
  });
}

const forebay_info* forebay_file_info(const forebay_file* file) {
  static const forebay_info nothing{};
  return file == nullptr ? &nothing : &file->info;
}

void forebay_close(forebay_file* file) {
  delete file;
}

int64_t forebay_read(forebay_file* file, void* into, uint64_t size, uint64_t offset) {
  if (file == nullptr) return Invalid("forebay_read: file is NULL");
  if (into == nullptr && size > 0) return Invalid("forebay_read: into is NULL");
  if (size > INT64_MAX) return Invalid("forebay_read: size is more than memory can hold");
  return Guarded([&]() -> int64_t {
    const auto bytes = file->file->Read(offset, {static_cast<std::byte*>(into), size});
    return bytes ? static_cast<int64_t>(*bytes) : Failed(bytes.error());
  });
}

int forebay_view_at(forebay_file* file, uint64_t offset, uint64_t size, forebay_view* view) {
  if (view == nullptr) return Invalid("forebay_view_at: view is NULL");
  *view = {};
  if (file == nullptr) return Invalid("forebay_view_at: file is NULL");
  return Guarded([&]() -> int {
    const auto made = file->file->View(offset, size);
    if (!made) return Failed(made.error());
    *view = {.data = made->bytes.data(), .size = made->bytes.size(), .handle_ = made->handle};
    return FOREBAY_OK;
  });
}

void forebay_release(forebay_file* file, forebay_view* view) {
  if (file == nullptr || view == nullptr) return;
  BlockView made{.bytes = {static_cast<const std::byte*>(view->data), view->size},
                 .handle = view->handle_};
  file->file->Release(made);
  *view = {};
}

int64_t forebay_get_many(forebay_client* client, forebay_get* items, size_t count) {
  if (client == nullptr) return Invalid("forebay_get_many: client is NULL");
  if (items == nullptr && count > 0) return Invalid("forebay_get_many: items is NULL");
  return Guarded([&]() -> int64_t {
    std::vector<wire::GetSlot> slots;
    std::vector<size_t> places;
    slots.reserve(count);
    places.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      forebay_get& item = items[i];
      if (item.path == nullptr || (item.into == nullptr && item.size > 0)) {
        item.result = Invalid("forebay_get_many: path or into of an item is NULL");
        continue;
      }
      slots.push_back({.path = item.path,
                       .offset = item.offset,
                       .into = {static_cast<std::byte*>(item.into), item.size}});
      places.push_back(i);
    }
    const size_t good = client->client->GetMany(slots);
    for (size_t i = 0; i < slots.size(); ++i) {
      const auto& size = slots[i].size;
      items[places[i]].result = size ? int64_t{*size} : Failed(size.error());
    }
    return static_cast<int64_t>(good);
  });
}

int64_t forebay_prefetch(forebay_client* client, const char* path, uint64_t offset, uint64_t size) {
  if (client == nullptr || path == nullptr) {
    return Invalid("forebay_prefetch: client or path is NULL");
  }
  return Guarded([&]() -> int64_t {
    const auto bytes = client->client->Prefetch(path, offset, size);
    return bytes ? static_cast<int64_t>(*bytes) : Failed(bytes.error());
  });
}

// ---- Completion queue.

int forebay_submit_read(forebay_file* file, void* into, uint64_t size, uint64_t offset, void* tag) {
  if (file == nullptr) return Invalid("forebay_submit_read: file is NULL");
  if (into == nullptr && size > 0) return Invalid("forebay_submit_read: into is NULL");
  return Guarded([&]() -> int {
    return StatusOf(file->file->Submit(offset, {static_cast<std::byte*>(into), size}, tag));
  });
}

int forebay_collect(forebay_client* client, forebay_completion* completions, int count,
                    uint32_t timeout_ms) {
  if (client == nullptr) return Invalid("forebay_collect: client is NULL");
  if (count < 0 || (completions == nullptr && count > 0)) {
    return Invalid("forebay_collect: no room for completions");
  }
  if (count == 0) return 0;
  return Guarded([&]() -> int {
    constexpr int kAtOnce = 64;  // a caller that asks for more asks again
    Completion collected[kAtOnce];
    const auto got = client->client->Collect(
        std::span(collected).first(static_cast<size_t>(std::min(count, kAtOnce))),
        std::chrono::milliseconds(timeout_ms));
    if (!got) return Failed(got.error());
    for (size_t i = 0; i < *got; ++i) {
      const auto& bytes = collected[i].bytes;
      completions[i] = {.tag = collected[i].tag,
                        .result = bytes ? static_cast<int64_t>(*bytes) : Failed(bytes.error())};
    }
    return static_cast<int>(*got);
  });
}

int forebay_event_fd(forebay_client* client) {
  if (client == nullptr) return Invalid("forebay_event_fd: client is NULL");
  return Guarded([&]() -> int {
    const auto descriptor = client->client->EventDescriptor();
    return descriptor ? *descriptor : Failed(descriptor.error());
  });
}

}  // extern "C"
