#include "src/node/node_access.h"

namespace forebay {
namespace {

Task<Result<void>> WriteThere(OriginUpload* upload, std::span<const Bytes> parts, Call call) {
  co_return co_await upload->Write(parts, call);
}

Task<Result<void>> DescribeThere(OriginUpload* upload, ObjectAttributes attributes, Call call) {
  co_return co_await upload->Describe(std::move(attributes), call);
}

Task<Result<ObjectInfo>> CommitThere(std::unique_ptr<OriginUpload>* upload, Call call) {
  auto info = co_await (*upload)->Commit(call);
  if (info) upload->reset();
  co_return info;
}

Task<void> AbortThere(std::unique_ptr<OriginUpload>* upload) {
  co_await (*upload)->Abort();
  upload->reset();
}

/// An upload of the node's loop, in the hands of another.
class UploadThere final : public OriginUpload {
 public:
  UploadThere(NodeAccess& node, std::unique_ptr<OriginUpload> upload)
      : node_(node), upload_(std::move(upload)) {}
  ~UploadThere() override { FB_ASSERT(upload_ == nullptr); }

  Task<Result<void>> Describe(ObjectAttributes attributes, Call call) override {
    return node_.There(DescribeThere(upload_.get(), std::move(attributes), call));
  }
  Task<Result<void>> Write(std::span<const Bytes> parts, Call call) override {
    return node_.There(WriteThere(upload_.get(), parts, call));
  }
  Task<Result<ObjectInfo>> Commit(Call call) override {
    return node_.There(CommitThere(&upload_, call));
  }
  Task<void> Abort() override { return node_.There(AbortThere(&upload_)); }

 private:
  NodeAccess& node_;
  std::unique_ptr<OriginUpload> upload_;
};

}  // namespace

Task<Result<std::unique_ptr<OriginUpload>>> NodeAccess::Bring(
    Task<Result<std::unique_ptr<OriginUpload>>> upload) {
  FB_CO_ASSIGN(auto brought, co_await There(std::move(upload)));
  co_return std::make_unique<UploadThere>(*this, std::move(brought));
}

Task<Result<std::unique_ptr<OriginUpload>>> NodeAccess::Put(Authenticated who, std::string path,
                                                            Condition condition, Call call) {
  auto upload = node_.Put(std::move(who), std::move(path), std::move(condition), call);
  return is_here() ? std::move(upload) : Bring(std::move(upload));
}

Task<Result<std::unique_ptr<OriginUpload>>> NodeAccess::PutPart(Authenticated who, std::string path,
                                                                std::string upload_id,
                                                                uint32_t number, Call call) {
  auto upload = node_.PutPart(std::move(who), std::move(path), std::move(upload_id), number, call);
  return is_here() ? std::move(upload) : Bring(std::move(upload));
}

}  // namespace forebay
