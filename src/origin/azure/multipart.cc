// Uploads in parts. All that there is of one are its blocks, at the service.
#include <fmt/format.h>

#include <utility>

#include "src/origin/azure/answers.h"
#include "src/origin/azure/azure_origin.h"
#include "src/origin/azure/blocks.h"
#include "src/origin/azure/crc64.h"

namespace forebay {

using azure::UploadState;

namespace {

Result<void> CheckPartNumber(uint32_t number) {
  if (number >= 1 && number <= azure::kMaxParts) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("part {}: parts have numbers from 1 to {}", number, azure::kMaxParts));
}

Result<void> CheckOrder(const std::vector<UploadedPart>& parts) {
  if (parts.empty()) return Fail(Code::kInvalidArgument, "an object has at least one part");
  for (size_t i = 0; i < parts.size(); ++i) {
    FB_TRY(CheckPartNumber(parts[i].number));
    if (i == 0 || parts[i - 1].number < parts[i].number) continue;
    return Fail(Code::kInvalidArgument,
                fmt::format("part {} stands behind part {}", parts[i].number, parts[i - 1].number));
  }
  return {};
}

struct Chosen {
  std::vector<std::string> ids;
  uint64_t size = 0;
};
Result<Chosen> Choose(const UploadState& state, const std::vector<UploadedPart>& parts) {
  Chosen chosen;
  for (const UploadedPart& part : parts) {
    const auto found = state.parts.find(part.number);
    if (found == state.parts.end()) {
      return Fail(Code::kInvalidArgument, fmt::format("part {} was not uploaded", part.number));
    }
    const azure::PartBlocks& there = found->second;
    if (there.part.etag != part.etag || there.part.size != part.size) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("part {} is another one: its etag is {}, not {}", part.number,
                              there.part.etag, part.etag));
    }
    chosen.ids.insert(chosen.ids.end(), there.ids.begin(), there.ids.end());
    chosen.size += there.part.size;
  }
  if (chosen.ids.size() > azure::kMaxBlocks) {
    return Fail(Code::kInvalidArgument,
                fmt::format("these parts are {} blocks, of which an object has at most {}; upload "
                            "fewer and larger parts",
                            chosen.ids.size(), azure::kMaxBlocks));
  }
  return chosen;
}

}  // namespace

Task<Result<void>> AzureOrigin::LeaveWord(Env& env, std::string key, std::string upload,
                                          azure::BlockName::Kind kind, Call call) {
  const azure::BlockName word{
      .upload = std::move(upload), .stamp = azure::NewStamp(env), .kind = kind};
  const Bytes text = AsBytes("-");
  co_return co_await container_.PutBlock(env, std::move(key), azure::BlockId(word),
                                         {.bytes = text, .crc64 = azure::Crc64(text)}, call);
}

Task<Result<std::string>> AzureOrigin::CreateMultipart(Env& env, std::string key, Call call) {
  return CreateDescribed(env, std::move(key), {}, call);
}

Task<Result<std::string>> AzureOrigin::CreateDescribed(Env& env, std::string key,
                                                       ObjectAttributes attributes, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  const azure::Address& address = container_.address();
  const std::string id = azure::NewUploadId(env, address.ContainerUrl(), address.BlobName(key));
  const auto begun = co_await LeaveWord(env, key, id, azure::BlockName::Kind::kBegin, call);
  if (!begun) co_return Named(key, begun.error());
  co_return azure::DescribedId(id, attributes);
}

Task<Result<std::unique_ptr<OriginUpload>>> AzureOrigin::PutPart(Env& env, std::string key,
                                                                 std::string upload_id,
                                                                 uint32_t number, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  if (const auto checked = CheckPartNumber(number); !checked) co_return Named(key, checked.error());
  std::string name = fmt::format("{}: part {}", Name(key), number);
  co_return azure::NewPartUpload(container_, env, std::move(name), std::move(key), upload_id,
                                 number, options_);
}

Task<Result<std::vector<UploadedPart>>> AzureOrigin::ListParts(Env& env, std::string key,
                                                               std::string upload_id, Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  const auto state = co_await azure::FindUpload(container_, env, key, std::move(upload_id), call);
  if (!state) co_return Named(key, state.error());
  std::vector<UploadedPart> parts;
  for (const auto& [number, blocks] : state->parts) parts.push_back(blocks.part);
  co_return parts;
}

Task<Result<ObjectInfo>> AzureOrigin::CompleteMultipart(Env& env, std::string key,
                                                        std::string upload_id,
                                                        std::vector<UploadedPart> parts,
                                                        Condition condition, Call call) {
  FB_CO_TRY(Check(env, key, condition, call));
  if (const auto checked = CheckOrder(parts); !checked) co_return Named(key, checked.error());
  const auto state = co_await azure::FindUpload(container_, env, key, upload_id, call);
  if (!state) co_return Named(key, state.error());
  auto chosen = Choose(*state, parts);
  if (!chosen) co_return Named(key, chosen.error());
  auto info = co_await container_.Complete(env,
                                           {.key = key,
                                            .mark = std::string(azure::BareId(upload_id)),
                                            .attributes = azure::AttributesOfId(upload_id),
                                            .condition = std::move(condition)},
                                           std::move(chosen->ids), chosen->size, call);
  if (info) co_return info;
  if (azure::Says(info.error(), "InvalidBlockList")) {
    co_return Named(key, Error(Code::kUnavailable,
                               "the service dropped blocks of this upload, as it does when "
                               "somebody else writes the object meanwhile; upload it again"));
  }
  co_return Named(key, info.error());
}

Task<Result<void>> AzureOrigin::AbortMultipart(Env& env, std::string key, std::string upload_id,
                                               Call call) {
  FB_CO_TRY(Check(env, key, {}, call));
  const auto state = co_await azure::FindUpload(container_, env, key, upload_id, call);
  if (!state) co_return Named(key, state.error());
  const auto put = co_await LeaveWord(env, key, std::string(azure::BareId(upload_id)),
                                      azure::BlockName::Kind::kEnd, call);
  if (!put) co_return Named(key, put.error());
  co_return Result<void>();
}

}  // namespace forebay
