#include "sim/options.h"

#include "src/base/prng.h"

namespace forebay::sim {
namespace {

/// Off in half of the seeds, else up to `most`, small rates as likely as large ones.
double SomeRate(Prng& prng, double most) {
  if (prng.OneIn(2)) return 0;
  const double part = prng.Unit();
  return most * part * part;
}

}  // namespace

WorldOptions WorldOptions::Chaos(uint64_t seed) {
  Prng prng(Mix64(seed ^ 0xc4a05));
  WorldOptions options;
  DiskFaults& disk = options.disk.faults;
  for (double* rate : {&disk.read_error, &disk.write_error, &disk.sync_error, &disk.flip_on_read,
                       &disk.flip_at_rest, &disk.bad_range, &disk.stall}) {
    *rate = SomeRate(prng, 0.02);
  }
  NetFaults& net = options.net.faults;
  for (double* rate : {&net.loss, &net.refuse, &net.blackhole}) *rate = SomeRate(prng, 0.05);
  net.reset = SomeRate(prng, 0.01);
  HttpFaults& http = options.http.faults;
  for (double* rate :
       {&http.connect_failure, &http.error_500, &http.error_503, &http.stall, &http.reset_in_body,
        &http.short_body, &http.other_etag, &http.slow_drip, &http.lost_reply}) {
    *rate = SomeRate(prng, 0.1);
  }
  options.memory_refused = SomeRate(prng, 0.02);
  options.max_wall_skew = seconds(static_cast<int64_t>(prng.Below(600)));
  options.named_faults = true;
  return options;
}

}  // namespace forebay::sim
