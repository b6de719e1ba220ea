// Listing and writing, as C sees them.
#include <algorithm>
#include <cstring>
#include <new>

#include "src/client/abi/handles.h"

using namespace forebay;
using namespace forebay::client;

namespace {

/// One upload's end: whatever it gives, the upload is gone.
int Commit(Result<std::unique_ptr<Upload>> upload, Bytes data, forebay_part* part) {
  if (!upload) return Failed(upload.error());
  if (auto written = (*upload)->Write(data); !written) return Failed(written.error());
  const auto info = (*upload)->Commit();
  if (!info) return Failed(info.error());
  const size_t size = std::min(info->etag.size(), sizeof part->etag - 1);
  std::memcpy(part->etag, info->etag.data(), size);
  part->size = info->size;
  return FOREBAY_OK;
}

}  // namespace

extern "C" {

// ---- Listing.

int forebay_list_begin(forebay_client* client, const char* prefix, char delimiter,
                       forebay_list** list) {
  if (list == nullptr) return Invalid("forebay_list_begin: list is NULL");
  *list = nullptr;
  if (client == nullptr || prefix == nullptr) {
    return Invalid("forebay_list_begin: client or prefix is NULL");
  }
  if (delimiter != 0 && delimiter != '/') {
    return Invalid("forebay_list_begin: delimiter is 0 or '/'");
  }
  return Guarded([&]() -> int {
    auto made = std::make_unique<forebay_list>();
    made->client = client;
    made->prefix = prefix;
    if (delimiter != 0) made->delimiter = delimiter;
    // The first page now: a wrong name is an error of this call.
    auto page = client->client->List(made->prefix, made->delimiter, {});
    if (!page) return Failed(page.error());
    made->page = std::move(*page);
    *list = made.release();
    return FOREBAY_OK;
  });
}

int forebay_list_next(forebay_list* list, forebay_entry* entry) {
  if (list == nullptr || entry == nullptr) return Invalid("forebay_list_next: an argument is NULL");
  return Guarded([&]() -> int {
    while (list->next == list->page.entries.size()) {
      if (!list->page.more) return 0;
      const std::string after = list->page.entries.back().path;
      auto page = list->client->client->List(list->prefix, list->delimiter, after);
      if (!page) return Failed(page.error());
      list->page = std::move(*page);
      list->next = 0;
    }
    const ListedEntry& found = list->page.entries[list->next++];
    *entry = {.path = found.path.c_str(),
              .size = found.size,
              .modified_ns = found.modified_ns,
              .is_prefix = found.is_prefix ? 1 : 0};
    return 1;
  });
}

void forebay_list_end(forebay_list* list) {
  delete list;
}

// ---- Writing.

int forebay_put(forebay_client* client, const char* path, const void* data, uint64_t size,
                const forebay_condition* condition, forebay_info* info) {
  if (client == nullptr || path == nullptr || (data == nullptr && size > 0)) {
    return Invalid("forebay_put: client, path or data is NULL");
  }
  return Guarded([&]() -> int {
    const auto when = ConditionOf(condition);
    if (!when) return FOREBAY_INVALID_ARGUMENT;
    const auto put = client->client->Put(path, {static_cast<const std::byte*>(data), size}, *when);
    if (!put) return Failed(put.error());
    Fill(*put, info);
    return FOREBAY_OK;
  });
}

int forebay_put_begin(forebay_client* client, const char* path, const forebay_condition* condition,
                      forebay_upload** upload) {
  if (upload == nullptr) return Invalid("forebay_put_begin: upload is NULL");
  *upload = nullptr;
  if (client == nullptr || path == nullptr) {
    return Invalid("forebay_put_begin: client or path is NULL");
  }
  return Guarded([&]() -> int {
    const auto when = ConditionOf(condition);
    if (!when) return FOREBAY_INVALID_ARGUMENT;
    auto begun = client->client->PutBegin(path, *when);
    if (!begun) return Failed(begun.error());
    *upload = new forebay_upload{std::move(*begun)};
    return FOREBAY_OK;
  });
}

int forebay_put_write(forebay_upload* upload, const void* data, uint64_t size) {
  if (upload == nullptr || (data == nullptr && size > 0)) {
    return Invalid("forebay_put_write: upload or data is NULL");
  }
  return Guarded([&]() -> int {
    return StatusOf(upload->upload->Write({static_cast<const std::byte*>(data), size}));
  });
}

int forebay_put_commit(forebay_upload* upload, forebay_info* info) {
  if (upload == nullptr) return Invalid("forebay_put_commit: upload is NULL");
  const std::unique_ptr<forebay_upload> ended(upload);
  return Guarded([&]() -> int {
    const auto committed = upload->upload->Commit();
    if (!committed) return Failed(committed.error());
    Fill(*committed, info);
    return FOREBAY_OK;
  });
}

void forebay_put_abort(forebay_upload* upload) {
  delete upload;
}

// ---- Multipart.

int forebay_multipart_begin(forebay_client* client, const char* path, char* id,
                            size_t id_capacity) {
  if (client == nullptr || path == nullptr || id == nullptr || id_capacity == 0) {
    return Invalid("forebay_multipart_begin: client, path or id is NULL");
  }
  return Guarded([&]() -> int {
    const auto begun = client->client->MultipartBegin(path);
    if (!begun) return Failed(begun.error());
    if (begun->size() >= id_capacity) {
      std::ignore = client->client->MultipartAbort(path, *begun);
      return Invalid("forebay_multipart_begin: id has too little room: 513 bytes always do");
    }
    std::memcpy(id, begun->c_str(), begun->size() + 1);
    return FOREBAY_OK;
  });
}

int forebay_multipart_put(forebay_client* client, const char* path, const char* id, uint32_t number,
                          const void* data, uint64_t size, forebay_part* part) {
  if (client == nullptr || path == nullptr || id == nullptr || part == nullptr ||
      (data == nullptr && size > 0)) {
    return Invalid("forebay_multipart_put: client, path, id, data or part is NULL");
  }
  return Guarded([&]() -> int {
    *part = {};
    part->number = number;
    return Commit(client->client->PartBegin(path, id, number),
                  {static_cast<const std::byte*>(data), size}, part);
  });
}

int forebay_multipart_commit(forebay_client* client, const char* path, const char* id,
                             const forebay_part* parts, size_t count,
                             const forebay_condition* condition, forebay_info* info) {
  if (client == nullptr || path == nullptr || id == nullptr || (parts == nullptr && count > 0)) {
    return Invalid("forebay_multipart_commit: client, path, id or parts is NULL");
  }
  return Guarded([&]() -> int {
    const auto when = ConditionOf(condition);
    if (!when) return FOREBAY_INVALID_ARGUMENT;
    std::vector<UploadedPart> made;
    for (const forebay_part& part : std::span(parts, count)) {
      made.push_back({.number = part.number,
                      .size = part.size,
                      .etag = std::string(part.etag, strnlen(part.etag, sizeof part.etag))});
    }
    const auto committed = client->client->MultipartCommit(path, id, made, *when);
    if (!committed) return Failed(committed.error());
    Fill(*committed, info);
    return FOREBAY_OK;
  });
}

int forebay_multipart_abort(forebay_client* client, const char* path, const char* id) {
  if (client == nullptr || path == nullptr || id == nullptr) {
    return Invalid("forebay_multipart_abort: client, path or id is NULL");
  }
  return Guarded([&]() -> int { return StatusOf(client->client->MultipartAbort(path, id)); });
}

int forebay_delete(forebay_client* client, const char* path, const forebay_condition* condition) {
  if (client == nullptr || path == nullptr) {
    return Invalid("forebay_delete: client or path is NULL");
  }
  return Guarded([&]() -> int {
    const auto when = ConditionOf(condition);
    if (!when) return FOREBAY_INVALID_ARGUMENT;
    return StatusOf(client->client->Delete(path, *when));
  });
}

}  // extern "C"
