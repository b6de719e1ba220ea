// The XML of answers, element by element.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "src/origin/http/xml.h"

namespace forebay::s3door {

class XmlWriter {
 public:
  XmlWriter() : text_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {}

  /// The outermost element of most answers names S3's schema.
  XmlWriter& Root(std::string_view name) {
    text_.append("<").append(name).append(" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    return *this;
  }
  XmlWriter& Open(std::string_view name) {
    text_.append("<").append(name).append(">");
    return *this;
  }
  XmlWriter& Close(std::string_view name) {
    text_.append("</").append(name).append(">");
    return *this;
  }
  XmlWriter& Text(std::string_view name, std::string_view value) {
    Open(name);
    text_ += http_origin::XmlEscape(value);
    return Close(name);
  }
  XmlWriter& Escaped(std::string_view text) {
    text_ += http_origin::XmlEscape(text);
    return *this;
  }
  XmlWriter& Raw(std::string_view xml) {
    text_ += xml;
    return *this;
  }
  XmlWriter& Number(std::string_view name, uint64_t value) {
    return Text(name, std::to_string(value));
  }
  XmlWriter& Flag(std::string_view name, bool value) {
    return Text(name, value ? "true" : "false");
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace forebay::s3door
