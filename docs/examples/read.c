/* read PATH: prints how long an object is and the sum of its bytes, read in two ways. */
#include <forebay/forebay.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { kPieceBytes = 1 << 20 };

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, forebay_last_error());
  return EXIT_FAILURE;
}

static uint64_t sum_of(const unsigned char* bytes, uint64_t size) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < size; ++i) sum += bytes[i];
  return sum;
}

/* By copying: what read(2) would do. */
static int sum_by_reading(forebay_file* file, uint64_t* sum) {
  unsigned char* piece = malloc(kPieceBytes);
  if (piece == NULL) return FOREBAY_OVERLOADED;
  int64_t got = 0;
  for (uint64_t offset = 0;; offset += (uint64_t)got) {
    got = forebay_read(file, piece, kPieceBytes, offset);
    if (got <= 0) break;
    *sum += sum_of(piece, (uint64_t)got);
  }
  free(piece);
  return (int)got;
}

/* In place: on the node's machine the bytes lie in memory that it shares. */
static int sum_by_looking(forebay_file* file, uint64_t* sum) {
  const uint64_t size = forebay_file_info(file)->size;
  for (uint64_t offset = 0; offset < size;) {
    forebay_view view;
    const int status = forebay_view_at(file, offset, size - offset, &view);
    if (status < 0) return status;
    *sum += sum_of(view.data, view.size);
    offset += view.size;
    forebay_release(file, &view);
  }
  return FOREBAY_OK;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: read /ATTACHMENT/KEY\n");
    return 2;
  }
  forebay_client* client = NULL;
  forebay_options options = {.size = sizeof options}; /* the rest: FOREBAY_NODE, then defaults */
  if (forebay_connect(&options, &client) < 0) return failed("connect");

  forebay_file* file = NULL;
  uint64_t read = 0, seen = 0;
  int status = forebay_open(client, argv[1], &file);
  if (status >= 0) status = sum_by_reading(file, &read);
  if (status >= 0) status = sum_by_looking(file, &seen);
  if (status >= 0) {
    printf("%s: %" PRIu64 " bytes, sum %" PRIu64 "%s\n", argv[1], forebay_file_info(file)->size,
           read, read == seen ? "" : " (and another one in place)");
  }
  const int result = status >= 0 ? EXIT_SUCCESS : failed(argv[1]);
  if (file != NULL) forebay_close(file);
  forebay_disconnect(client);
  return result;
}
