// How a simulated world behaves and misbehaves. Every rate is a chance per opportunity; all faults
// are off by default, so that a test switches on what it is about; Chaos switches on by seed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "src/base/units.h"
#include "src/runtime/clock.h"

#include "sim/sim_file_image.h"

namespace forebay::sim {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct DiskFaults {
  double read_error = 0;    // per read: EIO, gone the next time
  double write_error = 0;   // per write: EIO, and only a front part was written
  double sync_error = 0;    // per sync: EIO, and what it covered is settled as by a crash
  double flip_on_read = 0;  // per read: one bit of what comes back is wrong
  double flip_at_rest = 0;  // per write: one bit of it rots
  double bad_range = 0;     // per write: its range answers EIO for ever after
  double stall = 0;         // per operation: the whole device stops for stall_time at most
  double death = 0;         // per operation: the device answers EIO for ever after
  Duration stall_time = seconds(5);
};

struct DiskOptions {
  uint64_t capacity_bytes = kTiB;
  Duration read_latency = microseconds(80);
  Duration write_latency = microseconds(20);
  Duration sync_latency = microseconds(500);
  uint64_t bytes_per_second = 3 * kGiB;
  uint32_t channels = 32;  // operations that it works on at a time; more wait
  bool direct_supported = true;
  CrashRates crash;
  DiskFaults faults;
};

struct NetFaults {
  double loss = 0;         // per segment: it comes a retransmission later
  double reset = 0;        // per segment: the connection breaks
  double refuse = 0;       // per connect
  double blackhole = 0;    // per connect: no answer until the connect times out
  double half_open = 0.5;  // per connection of a crashed machine: the peer is told nothing
};

struct NetOptions {
  Duration same_zone = microseconds(50);  // one way
  Duration same_region = microseconds(400);
  Duration between_regions = milliseconds(40);
  double jitter = 0.5;  // up to this part of the latency on top, by segment
  uint64_t nic_bytes_per_second = 12'500'000'000;
  uint64_t segment_bytes = 64 * kKiB;  // at most
  uint64_t buffer_bytes = 512 * kKiB;  // sent and not yet received, a direction
  uint32_t backlog = 128;
  Duration retransmit = milliseconds(200);
  Duration give_up = seconds(15);  // unacknowledged for so long: the sender's side breaks
  Duration connect_timeout = seconds(10);
  /// A connection on which nothing moves is probed: a peer that has forgotten it says so; one that
  /// says nothing for so much longer is given up.
  Duration keep_alive = seconds(30);
  Duration keep_alive_gives_up = seconds(90);
  NetFaults faults;
};

struct HttpFaults {
  double connect_failure = 0;  // the server never sees the request
  double error_500 = 0;
  double error_503 = 0;
  double retry_after = 0.5;  // of the 503s
  double stall = 0;          // the head or the next byte does not come for stall_time
  double reset_in_body = 0;  // the connection breaks before the body's end
  double short_body = 0;     // ends early and claims that this was all
  double other_etag = 0;     // names another version than the bytes' own
  double slow_drip = 0;      // a few bytes at a time
  double lost_reply = 0;     // the server did it; the client hears nothing of it
  Duration stall_time = seconds(120);
};

struct HttpOptions {
  Duration latency = milliseconds(15);    // to the head
  uint64_t bytes_per_second = 60 * kMiB;  // a body
  HttpFaults faults;
};

struct WorldOptions {
  DiskOptions disk;  // of disks not given any of their own
  NetOptions net;
  HttpOptions http;
  bool named_faults = false;  // whether Faults::Fires ever says yes by the seed alone
  double memory_refused = 0;  // per Memory::Reserve
  Duration max_wall_skew{0};  // of each node's wall clock, either way
  int64_t wall_start_ns = 1'750'000'000'000'000'000;
  Duration time_limit = hours(24 * 30);  // of virtual time: a Run that needs more has failed
  uint64_t livelock_after = 50'000'000;  // resumptions at one moment: a loop that never waits
  size_t log_lines = 2000;
  bool print_log = false;
  std::string rerun;  // printed when the run fails: the command that repeats it

  /// Every kind of fault at a rate that the seed chooses; each is off in half of the seeds. Death
  /// of whole devices is left to the test.
  static WorldOptions Chaos(uint64_t seed);
};

}  // namespace forebay::sim
