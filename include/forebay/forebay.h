/* Forebay's client library: a stable C ABI. docs/CLIENT.md shows a whole program.
 *
 * Every function may be called from any thread. A client holds a few descriptors and no thread;
 * after fork() the child connects anew at its first call. When the node restarts, calls wait for it
 * up to the client's timeout and go on; open files stay pinned to their version.
 *
 * Functions that return int or int64_t give a value >= 0, or a negative forebay_status. What went
 * wrong, in words, is forebay_last_error() of the same thread.
 */
#ifndef FOREBAY_FOREBAY_H_
#define FOREBAY_FOREBAY_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FOREBAY_API __attribute__((visibility("default")))
#define FOREBAY_ABI_VERSION 1

typedef enum forebay_status {
  FOREBAY_OK = 0,
  FOREBAY_INVALID_ARGUMENT = -1,
  FOREBAY_NOT_FOUND = -2,
  FOREBAY_ALREADY_EXISTS = -3,
  FOREBAY_VERSION_CHANGED = -4,
  FOREBAY_PERMISSION_DENIED = -5,
  FOREBAY_UNAUTHENTICATED = -6,
  FOREBAY_OVERLOADED = -7,  /* try again later */
  FOREBAY_UNAVAILABLE = -8, /* try again later */
  FOREBAY_DEADLINE_EXCEEDED = -9,
  FOREBAY_CANCELLED = -10,
  FOREBAY_CORRUPT = -11,
  FOREBAY_IO_ERROR = -12,
  FOREBAY_NO_SPACE = -13,
  FOREBAY_IN_USE = -14,
  FOREBAY_UNSUPPORTED = -15,
  FOREBAY_INTERNAL = -16
} forebay_status;

/* Of the last call of this thread that failed. Good until the next one that does; never NULL. */
FOREBAY_API const char* forebay_last_error(void);
FOREBAY_API const char* forebay_version(void);
FOREBAY_API int forebay_abi_version(void);

/* -- A client of one node. */

typedef struct forebay_client forebay_client;

/* Zeros mean defaults. Set size to sizeof(forebay_options). */
typedef struct forebay_options {
  size_t size;
  const char* node; /* "unix:PATH", "HOST:PORT"; NULL: FOREBAY_NODE, then the default socket */
  const char* token_file;    /* one line "NAME SECRET-IN-HEX", for TCP; NULL: FOREBAY_TOKEN_FILE */
  uint32_t timeout_ms;       /* of every call, reconnecting included (30,000) */
  uint32_t connections;      /* at most so many (2) */
  uint64_t pin_bytes;        /* views held at one time (256 MiB); past it reads copy */
  uint32_t no_shared_memory; /* read through the socket only */
} forebay_options;

FOREBAY_API int forebay_connect(const forebay_options* options, forebay_client** client);
/* Ends what is in progress with FOREBAY_CANCELLED. Files must be closed and views released. */
FOREBAY_API void forebay_disconnect(forebay_client* client);

/* -- Reading. A file is pinned to the version that it was opened at. */

typedef struct forebay_file forebay_file;

typedef struct forebay_info {
  uint64_t size;
  int64_t modified_ns; /* since 1970 */
  uint8_t version[16]; /* equal versions mean equal bytes */
  char etag[136];      /* the origin's */
} forebay_info;

FOREBAY_API int forebay_stat(forebay_client* client, const char* path, forebay_info* info);
FOREBAY_API int forebay_open(forebay_client* client, const char* path, forebay_file** file);
FOREBAY_API const forebay_info* forebay_file_info(const forebay_file* file);
FOREBAY_API void forebay_close(forebay_file* file);

/* The bytes read; fewer than asked for only where the object ends. */
FOREBAY_API int64_t forebay_read(forebay_file* file, void* into, uint64_t size, uint64_t offset);

/* A pointer to the bytes where they lie, read-only, good until forebay_release. At most up to the
 * end of the block that offset is in (1 MiB, aligned): *size says how many. */
typedef struct forebay_view {
  const void* data;
  uint64_t size;
  uint64_t handle_;
} forebay_view;
FOREBAY_API int forebay_view_at(forebay_file* file, uint64_t offset, uint64_t size,
                                forebay_view* view);
FOREBAY_API void forebay_release(forebay_file* file, forebay_view* view);

/* Many small objects, or ranges, in one go. Each item says for itself how it went. */
typedef struct forebay_get {
  const char* path;
  void* into;
  uint64_t size;
  uint64_t offset;
  int64_t result; /* bytes read, or a negative forebay_status */
} forebay_get;
/* The number of items that succeeded. */
FOREBAY_API int64_t forebay_get_many(forebay_client* client, forebay_get* items, size_t count);

/* Brings a range (size 0: all) into the cache; returns when it is there. */
FOREBAY_API int64_t forebay_prefetch(forebay_client* client, const char* path, uint64_t offset,
                                     uint64_t size);

/* -- Completion queue: begin many, collect them as they end. */

typedef struct forebay_completion {
  void* tag;
  int64_t result;
} forebay_completion;
/* Begins a read; into must live until it was collected. Waits for a node that restarts.
 * FOREBAY_OVERLOADED: collect first. */
FOREBAY_API int forebay_submit_read(forebay_file* file, void* into, uint64_t size, uint64_t offset,
                                    void* tag);
/* Waits for at least one unless timeout_ms is 0; the number collected. */
FOREBAY_API int forebay_collect(forebay_client* client, forebay_completion* completions, int count,
                                uint32_t timeout_ms);
/* Readable when there is something to collect or to receive: for poll(2). */
FOREBAY_API int forebay_event_fd(forebay_client* client);

/* -- Listing. */

typedef struct forebay_list forebay_list;
typedef struct forebay_entry {
  const char* path; /* good until the next call with the same list */
  uint64_t size;
  int64_t modified_ns;
  int is_prefix;
} forebay_entry;
/* Everything below prefix in byte order; delimiter 0, or '/' for one level. */
FOREBAY_API int forebay_list_begin(forebay_client* client, const char* prefix, char delimiter,
                                   forebay_list** list);
/* 1: *entry is filled. 0: the end. */
FOREBAY_API int forebay_list_next(forebay_list* list, forebay_entry* entry);
FOREBAY_API void forebay_list_end(forebay_list* list);

/* -- Writing. Nothing is visible before the commit; then it is at the origin, whole. */

typedef struct forebay_upload forebay_upload;
typedef struct forebay_condition {
  size_t size; /* sizeof(forebay_condition) */
  int if_absent;
  const char* if_match; /* an etag; NULL: any version */
} forebay_condition;
FOREBAY_API int forebay_put(forebay_client* client, const char* path, const void* data,
                            uint64_t size, const forebay_condition* condition, forebay_info* info);
FOREBAY_API int forebay_put_begin(forebay_client* client, const char* path,
                                  const forebay_condition* condition, forebay_upload** upload);
FOREBAY_API int forebay_put_write(forebay_upload* upload, const void* data, uint64_t size);
/* Both end the upload, whatever they return. */
FOREBAY_API int forebay_put_commit(forebay_upload* upload, forebay_info* info);
FOREBAY_API void forebay_put_abort(forebay_upload* upload);

/* Parts from any thread, process or machine, by the upload's id. */
typedef struct forebay_part {
  uint32_t number; /* from 1 */
  char etag[136];
  uint64_t size;
} forebay_part;
FOREBAY_API int forebay_multipart_begin(forebay_client* client, const char* path, char* id,
                                        size_t id_capacity);
FOREBAY_API int forebay_multipart_put(forebay_client* client, const char* path, const char* id,
                                      uint32_t number, const void* data, uint64_t size,
                                      forebay_part* part);
FOREBAY_API int forebay_multipart_commit(forebay_client* client, const char* path, const char* id,
                                         const forebay_part* parts, size_t count,
                                         const forebay_condition* condition, forebay_info* info);
FOREBAY_API int forebay_multipart_abort(forebay_client* client, const char* path, const char* id);

FOREBAY_API int forebay_delete(forebay_client* client, const char* path,
                               const forebay_condition* condition);

#ifdef __cplusplus
}
#endif

#endif /* FOREBAY_FOREBAY_H_ */
