// Loads of GETs for servers of HTTP, ours and others alike: what wrk does with many small objects,
// and a client of our own for large ones, of which wrk takes 8 KiB at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/result.h"

namespace forebay::bench {

/// A server and what is asked of it.
struct HttpTarget {
  std::string address;             // "127.0.0.1:7480"
  std::vector<std::string> paths;  // taken in turns, with their queries
  bool tls = false;                // WrkRate's only
};

struct HttpLoadResult {
  uint64_t bytes = 0;  // of bodies
  double seconds = 0;
};

/// `requests` GETs over so many connections at a time, each kept open and with a thread of its own,
/// from kClientCore.
Result<HttpLoadResult> GetMany(const HttpTarget& target, int connections, int requests);
/// The same; what the slowest hundredth of them took at least, in seconds.
Result<double> GetP99(const HttpTarget& target, int connections, int requests);

/// Requests a second that wrk comes to from kClientCore; its script goes into `directory`. An error
/// where it is not installed, or where anything but 200 was answered.
Result<double> WrkRate(const std::string& directory, const HttpTarget& target, int connections,
                       int seconds);

}  // namespace forebay::bench
