#include "src/platform/linux/uring_backend.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "src/base/assert.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/reactor.h"
#include "src/platform/linux/uring_inbox.h"

// Kernel 6.2; the headers of Debian 12 are older.
#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3)
#define IORING_NOTIF_USAGE_ZC_COPIED (1U << 31)
#endif

namespace forebay::platform {
namespace {

constexpr unsigned kSubmissions = 512;
/// Two for each connection of a busy node; more overflow into the kernel's own list, none is lost.
constexpr unsigned kCompletions = 8192;
/// Of the kernel, for operations on files that block. By itself four a core, which a file server
/// that hangs would soon have all of.
constexpr unsigned kFileWorkers = 2 * kMaxFileOpsInFlight;
constexpr uint64_t kSmallSend = 16 * 1024;
constexpr uint64_t kSmallRecv = 4 * 1024;
constexpr uint32_t kMaxTransfer = 1u << 30;  // lengths are 32 bits wide there

/// From the cheapest way of running completions to what any kernel since 5.11 knows.
constexpr unsigned kSetups[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};
constexpr unsigned kNeededFeatures =
    IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG | IORING_FEAT_SUBMIT_STABLE;

class UringBackend final : public Backend {
 public:
  UringBackend(Reactor& reactor, FilePool& pool) : reactor_(reactor), pool_(pool) {}
  ~UringBackend() override;
  Result<void> Open();

  Result<void> Enter() override;
  Result<void> Attach(Socket&) override { return {}; }
  void Detach(Socket& socket) override;
  bool Start(Op& op) override;
  void Cancel(Op& op) override;
  void Wait(Instant now, Instant until) override;
  void Wake() override;
  bool HasZeroCopy() const override { return has_zero_copy_; }
  int SocketFlags() const override { return 0; }

 private:
  io_uring_sqe* Next();
  void Submit(Op& op);
  static bool SendAtOnce(Op& op);
  static void Prepare(io_uring_sqe* sqe, Op& op, bool has_poll_first);
  static void TakeBufferBack(Op& op);
  void StartFileOp(Op& op);
  void SubmitCancel(Op& op);

  bool StartRecv(Op& op);
  bool TakeFromInbox(Op& op);
  void WaitAtInbox(Op& op);
  void TakeForInbox(Inbox& inbox, const io_uring_cqe& cqe);
  void StopInbox(Inbox& inbox);
  void ArmWake();
  void Harvest();
  void Take(const io_uring_cqe& cqe);
  void SubmitWithoutWaiting();

  Reactor& reactor_;
  FilePool& pool_;
  io_uring ring_{};
  bool open_ = false;
  bool has_zero_copy_ = false;  // and with it everything else of kernel 6.0
  int wake_fd_ = -1;
  uint64_t wake_count_ = 0;
  Op wake_;
  int file_ops_in_flight_ = 0;
  OpQueue waiting_file_ops_;
  InboxBuffers inbox_buffers_;
  std::vector<std::unique_ptr<Inbox>> orphans_;  // their sockets are gone, their requests not yet
};

bool IsFileOp(OpCode code) {
  return code == OpCode::kRead || code == OpCode::kWrite || code == OpCode::kWriteParts ||
         code == OpCode::kSync;
}

UringBackend::~UringBackend() {
  if (open_) io_uring_queue_exit(&ring_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

Result<void> UringBackend::Open() {
  int error = 0;
  for (const unsigned setup : kSetups) {
    io_uring_params params{};
    params.flags = setup | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
    params.cq_entries = kCompletions;
    error = -io_uring_queue_init_params(kSubmissions, &ring_, &params);
    if (error == 0) {
      open_ = true;
      if ((params.features & kNeededFeatures) != kNeededFeatures) error = ENOSYS;
    }
    if (error != EINVAL) break;
  }
  if (error != 0) {
    return Fail(Code::kUnsupported, "io_uring is refused by this kernel or container: " +
                                        ErrnoText(error) + "; --io=epoll does without");
  }
  if (io_uring_probe* probe = io_uring_get_probe_ring(&ring_)) {
    has_zero_copy_ = io_uring_opcode_supported(probe, IORING_OP_SEND_ZC);
    io_uring_free_probe(probe);
  }
  wake_fd_ = eventfd(0, EFD_CLOEXEC);
  if (wake_fd_ < 0) return Fail(ErrnoError(errno, "eventfd"));
  return {};
}

Result<void> UringBackend::Enter() {
  // The thread that enables the ring is its single issuer. By hand: the library of Debian 12 does
  // not export its own call for this.
  if (syscall(SYS_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) < 0) {
    return Fail(ErrnoError(errno, "io_uring_register"));
  }
  io_uring_register_ring_fd(&ring_);  // spares a descriptor look-up per enter; fine without
  unsigned workers[2] = {kFileWorkers, 0};
  io_uring_register_iowq_max_workers(&ring_, workers);  // kernel 5.15; fine without
  wake_.code = OpCode::kRead;
  wake_.fd = wake_fd_;
  wake_.data = &wake_count_;
  wake_.length = sizeof wake_count_;
  wake_.on_done = [](Op&) {};
  ArmWake();
  return {};
}

void UringBackend::ArmWake() {
  Submit(wake_);
}

io_uring_sqe* UringBackend::Next() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    // Full: the kernel takes what is there. Its answers stay where they are until the next Wait.
    const int submitted = io_uring_submit(&ring_);
    FB_ASSERT(submitted >= 0 || submitted == -EAGAIN || submitted == -EBUSY || submitted == -EINTR);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void UringBackend::Prepare(io_uring_sqe* sqe, Op& op, bool has_poll_first) {
  const auto length = static_cast<unsigned>(std::min<uint64_t>(op.length, kMaxTransfer));
  switch (op.code) {
    case OpCode::kRecv:
      io_uring_prep_recv(sqe, op.socket->fd, op.data, length, 0);
      if (has_poll_first && !op.socket->read.ready) sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
      break;
    case OpCode::kRecvStanding:
      io_uring_prep_recv_multishot(sqe, op.socket->fd, nullptr, 0, 0);
      sqe->flags |= IOSQE_BUFFER_SELECT;
      sqe->buf_group = InboxBuffers::kGroup;
      break;
    case OpCode::kSend:
      io_uring_prep_send(sqe, op.socket->fd, op.data, length, op.flags);
      break;
    case OpCode::kSendZeroCopy:
      io_uring_prep_send_zc(sqe, op.socket->fd, op.data, length, op.flags,
                            IORING_SEND_ZC_REPORT_USAGE);
      break;
    case OpCode::kSendMessage:
      io_uring_prep_sendmsg(sqe, op.socket->fd, static_cast<msghdr*>(op.data),
                            static_cast<unsigned>(op.flags));
      break;
    case OpCode::kRecvMessage:
      io_uring_prep_recvmsg(sqe, op.socket->fd, static_cast<msghdr*>(op.data),
                            static_cast<unsigned>(op.flags));
      break;
    case OpCode::kAccept:
      io_uring_prep_accept(sqe, op.socket->fd, nullptr, nullptr, op.flags);
      break;
    case OpCode::kConnect:
      io_uring_prep_connect(sqe, op.socket->fd, static_cast<const sockaddr*>(op.data), length);
      break;
    case OpCode::kPoll:
      io_uring_prep_poll_add(sqe, op.fd, static_cast<unsigned>(op.flags));
      break;
    case OpCode::kRead:
      io_uring_prep_read(sqe, op.fd, op.data, length, op.offset);
      break;
    case OpCode::kWrite:
      io_uring_prep_write(sqe, op.fd, op.data, length, op.offset);
      break;
    case OpCode::kWriteParts:
      io_uring_prep_writev(sqe, op.fd, static_cast<const iovec*>(op.data), length, op.offset);
      break;
    case OpCode::kSync:
      io_uring_prep_fsync(sqe, op.fd, 0);
      break;
    case OpCode::kCall:
      FB_ASSERT(false);
  }
}

void UringBackend::Submit(Op& op) {
  io_uring_sqe* sqe = Next();
  Prepare(sqe, op, has_zero_copy_);
  io_uring_sqe_set_data(sqe, &op);
}

bool UringBackend::Start(Op& op) {
  if (op.code == OpCode::kCall) {
    pool_.Start(op);
  } else if (IsFileOp(op.code)) {
    StartFileOp(op);
  } else if (op.code == OpCode::kRecv) {
    return StartRecv(op);
  } else {
    const bool sends = op.code == OpCode::kSend || op.code == OpCode::kSendMessage;
    if (sends && op.length <= kSmallSend && SendAtOnce(op)) return true;
    Submit(op);
  }
  return false;
}

/// A small send nearly always fits into the socket's buffer. By a call of its own it is over at
/// once; through the ring its answer would cost another turn of the loop.
bool UringBackend::SendAtOnce(Op& op) {
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const ssize_t sent = op.code == OpCode::kSend
                           ? send(op.socket->fd, op.data, op.length, kFlags)
                           : sendmsg(op.socket->fd, static_cast<const msghdr*>(op.data), kFlags);
  if (sent < 0) return false;
  op.result = static_cast<int32_t>(sent);
  op.done = true;
  return true;
}

void UringBackend::StartFileOp(Op& op) {
  // Bounded, unlike sockets, whose number bounds itself and whose waits may last for ever.
  if (file_ops_in_flight_ >= kMaxFileOpsInFlight) {
    waiting_file_ops_.Push(op);
    return;
  }
  ++file_ops_in_flight_;
  Submit(op);
  // The disk works while the loop runs on. Kept back until the end of the turn, all that a turn
  // begins would run out together, and the disk would idle while their answers are dealt with.
  if (reactor_.HasMoreToRun()) io_uring_submit(&ring_);
}

void UringBackend::Cancel(Op& op) {
  if (op.done) return;
  op.abandoned = true;
  if (op.awaits_notice) {
    TakeBufferBack(op);
  } else if (op.code == OpCode::kRecv && op.socket->read.waiting == &op) {
    op.socket->read.waiting = nullptr;
    reactor_.Complete(op, -ECANCELED);
  } else {
    SubmitCancel(op);
  }
}

void UringBackend::SubmitCancel(Op& op) {
  io_uring_sqe* sqe = Next();
  io_uring_prep_cancel(sqe, &op, 0);
  io_uring_sqe_set_data(sqe, nullptr);  // its own answer says nothing: the op's answer comes
}

/// Small reads go through the socket's inbox, until the first large one: that wants its bytes where
/// they belong and not copied out of a pool.
bool UringBackend::StartRecv(Op& op) {
  Socket& socket = *op.socket;
  const bool small = op.length <= kSmallRecv;
  if (!small) socket.direct_reads = true;
  if (socket.inbox == nullptr) {
    if (socket.direct_reads || !has_zero_copy_ || !inbox_buffers_.Open(ring_)) {
      Submit(op);
      return false;
    }
    socket.inbox = new Inbox(&socket);
  }
  if (TakeFromInbox(op)) {
    op.done = true;
    return true;
  }
  if (socket.direct_reads) StopInbox(*socket.inbox);
  WaitAtInbox(op);
  return false;
}

/// True where the op is done with what had come.
bool UringBackend::TakeFromInbox(Op& op) {
  Inbox& inbox = *op.socket->inbox;
  if (inbox.waiting > 0) {
    const MutableBytes into(static_cast<std::byte*>(op.data), op.length);
    op.result = static_cast<int32_t>(inbox.Take(inbox_buffers_, into));
    return true;
  }
  if (inbox.ended) op.result = inbox.end;
  return inbox.ended;
}

/// Nothing is there yet.
void UringBackend::WaitAtInbox(Op& op) {
  Inbox& inbox = *op.socket->inbox;
  if (inbox.state == Inbox::State::kIdle && (op.socket->direct_reads || inbox.starved)) {
    inbox.starved = false;
    Submit(op);
    return;
  }
  op.socket->read.waiting = &op;
  if (inbox.state != Inbox::State::kIdle) return;
  inbox.state = Inbox::State::kStanding;
  Submit(inbox);
}

void UringBackend::StopInbox(Inbox& inbox) {
  if (inbox.state != Inbox::State::kStanding) return;
  inbox.state = Inbox::State::kStopping;
  SubmitCancel(inbox);
}

void UringBackend::TakeForInbox(Inbox& inbox, const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    const auto buffer = static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    if (cqe.res > 0 && inbox.socket != nullptr) {
      inbox.Push(inbox_buffers_, buffer, static_cast<uint32_t>(cqe.res));
      if (inbox.waiting >= Inbox::kMaxWaiting) StopInbox(inbox);
    } else {
      inbox_buffers_.Release(buffer);
    }
  }
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
    inbox.state = Inbox::State::kIdle;
    // Without buffers left the next receive brings its own.
    inbox.starved = cqe.res == -ENOBUFS;
    if (cqe.res <= 0 && cqe.res != -ENOBUFS && cqe.res != -ECANCELED) {
      inbox.ended = true;
      inbox.end = cqe.res;
    }
  }
  if (inbox.socket == nullptr) {
    if (inbox.state != Inbox::State::kIdle) return;
    std::erase_if(orphans_, [&inbox](const auto& one) { return one.get() == &inbox; });
    return;
  }
  Op* op = std::exchange(inbox.socket->read.waiting, nullptr);
  if (op == nullptr) return;
  if (TakeFromInbox(*op)) {
    reactor_.Complete(*op, op->result);
  } else {
    WaitAtInbox(*op);
  }
}

void UringBackend::Detach(Socket& socket) {
  Inbox* inbox = std::exchange(socket.inbox, nullptr);
  if (inbox == nullptr) return;
  FB_ASSERT(socket.read.waiting == nullptr);
  std::unique_ptr<Inbox> owned(inbox);
  inbox->Drop(inbox_buffers_);
  if (inbox->state == Inbox::State::kIdle) return;
  // The request keeps the socket open beyond its descriptor until it has ended: tell the peer now.
  shutdown(socket.fd, SHUT_RDWR);
  StopInbox(*inbox);
  inbox->socket = nullptr;
  orphans_.push_back(std::move(owned));
}

/// What was sent without a copy stays in use until the peer has it, which may be never. Resetting
/// the connection drops it from the queues; the notice follows.
void UringBackend::TakeBufferBack(Op& op) {
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  connect(op.socket->fd, &nowhere, sizeof nowhere);
  op.result = -ECANCELED;
}

void UringBackend::SubmitWithoutWaiting() {
  const unsigned flags = IO_URING_READ_ONCE(*ring_.sq.kflags);
  const bool kernel_has_news = (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
  if (io_uring_sq_ready(&ring_) > 0 || kernel_has_news) io_uring_submit_and_get_events(&ring_);
}

void UringBackend::Wait(Instant now, Instant until) {
  if (until == Instant::Never()) {
    io_uring_submit_and_wait(&ring_, 1);
  } else if (until <= now) {
    SubmitWithoutWaiting();
  } else {
    const int64_t ns = (until - now).count();
    __kernel_timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    io_uring_cqe* first = nullptr;
    io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
  }
  Harvest();
}

void UringBackend::Harvest() {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    ++count;
    Take(*cqe);
  }
  io_uring_cq_advance(&ring_, count);
}

void UringBackend::Take(const io_uring_cqe& cqe) {
  auto* op = reinterpret_cast<Op*>(cqe.user_data);
  if (op == nullptr) return;
  if (op == &wake_) {
    ArmWake();
    return;
  }
  if (op->code == OpCode::kRecvStanding) {
    TakeForInbox(static_cast<Inbox&>(*op), cqe);
    return;
  }
  if ((cqe.flags & IORING_CQE_F_NOTIF) != 0) {
    op->copied_anyway = (static_cast<unsigned>(cqe.res) & IORING_NOTIF_USAGE_ZC_COPIED) != 0;
    reactor_.Complete(*op, op->result);
    return;
  }
  if ((cqe.flags & IORING_CQE_F_MORE) != 0) {
    op->result = cqe.res;
    op->awaits_notice = true;
    if (op->abandoned) TakeBufferBack(*op);
    return;
  }
  if (op->code == OpCode::kRecv) {
    op->socket->read.ready = (cqe.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
  }
  if (IsFileOp(op->code)) {
    --file_ops_in_flight_;
    if (!waiting_file_ops_.empty()) StartFileOp(waiting_file_ops_.Pop());
  }
  reactor_.Complete(*op, cqe.res);
}

void UringBackend::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

}  // namespace

Result<std::unique_ptr<Backend>> MakeUringBackend(Reactor& reactor, FilePool& pool) {
  auto backend = std::make_unique<UringBackend>(reactor, pool);
  FB_TRY(backend->Open());
  return backend;
}

}  // namespace forebay::platform
