#include "src/origin/http/xml.h"

#include <expat.h>
#include <fmt/format.h>

#include <memory>
#include <type_traits>
#include <utility>

namespace forebay::http_origin {
namespace {

constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxDocumentBytes = size_t{64} << 20;
constexpr size_t kMaxElements = 1'000'000;  // small ones take twenty times their text

/// What expat tells us, becoming a tree.
class Builder {
 public:
  explicit Builder(XML_Parser parser) : parser_(parser) {
    XML_SetUserData(parser, this);
    XML_SetElementHandler(parser, &Builder::Begin, &Builder::End);
    XML_SetCharacterDataHandler(parser, &Builder::Text);
    XML_SetStartDoctypeDeclHandler(parser, &Builder::DocumentType);
  }

  const char* refused() const { return refused_; }
  XmlElement Take() { return std::move(root_); }

 private:
  static Builder& Of(void* self) { return *static_cast<Builder*>(self); }

  static void Begin(void* self, const XML_Char* name, const XML_Char** /*attributes*/) {
    Builder& builder = Of(self);
    if (builder.open_.size() == kMaxDepth) return builder.Refuse("elements lie too deep");
    if (++builder.elements_ > kMaxElements) return builder.Refuse("it has too many elements");
    XmlElement element{.name = WithoutPrefix(name)};
    // Vectors of children move when they grow, but never while one of their elements is open.
    if (builder.open_.empty()) {
      builder.root_ = std::move(element);
      builder.open_.push_back(&builder.root_);
    } else {
      auto& children = builder.open_.back()->children;
      children.push_back(std::move(element));
      builder.open_.push_back(&children.back());
    }
  }
  static void End(void* self, const XML_Char* /*name*/) {
    // Expat may still end what it had begun when it was stopped.
    if (!Of(self).open_.empty()) Of(self).open_.pop_back();
  }
  static void Text(void* self, const XML_Char* text, int size) {
    if (!Of(self).open_.empty())
      Of(self).open_.back()->text.append(text, static_cast<size_t>(size));
  }
  static void DocumentType(void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    Of(self).Refuse("it has a document type");
  }

  void Refuse(const char* why) {
    refused_ = why;
    XML_StopParser(parser_, XML_FALSE);
  }
  static std::string WithoutPrefix(std::string_view name) {
    const size_t colon = name.rfind(':');
    return std::string(colon == name.npos ? name : name.substr(colon + 1));
  }

  XML_Parser parser_;
  XmlElement root_;
  std::vector<XmlElement*> open_;
  size_t elements_ = 0;
  const char* refused_ = nullptr;
};

using Parser = std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)>;

}  // namespace

const XmlElement* XmlElement::Child(std::string_view child) const {
  for (const XmlElement& element : children) {
    if (element.name == child) return &element;
  }
  return nullptr;
}

std::string_view XmlElement::Text(std::string_view child) const {
  const XmlElement* found = Child(child);
  return found == nullptr ? std::string_view() : std::string_view(found->text);
}

Result<XmlElement> ParseXml(std::string_view document) {
  if (document.size() > kMaxDocumentBytes) {
    return Fail(Code::kCorrupt, fmt::format("XML of {} bytes is too long", document.size()));
  }
  const Parser parser(XML_ParserCreate(nullptr), &XML_ParserFree);
  if (parser == nullptr) return Fail(Code::kOverloaded, "no memory for XML");
  Builder builder(parser.get());
  const auto size = static_cast<int>(document.size());
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): the size is given beside it
  if (XML_Parse(parser.get(), document.data(), size, XML_TRUE) == XML_STATUS_OK) {
    return builder.Take();
  }
  const char* why = builder.refused();
  if (why == nullptr) why = XML_ErrorString(XML_GetErrorCode(parser.get()));
  return Fail(Code::kCorrupt, fmt::format("no XML as services write it: line {}: {}",
                                          XML_GetCurrentLineNumber(parser.get()), why));
}

std::string XmlEscape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'' || code < 0x20 || code == 0x7f) {
      escaped += fmt::format("&#x{:X};", code);
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace forebay::http_origin
