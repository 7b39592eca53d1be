#include "control/store/yaml_edit.h"

#include <algorithm>
#include <vector>

#include "base/strings.h"

namespace sluice {
namespace {

// Lines of the document, counted from 0; [first, end).
struct Lines {
  size_t first = 0;
  size_t end = 0;
};

size_t indent_of(std::string_view line) {
  return std::min(line.find_first_not_of(" \t"), line.size());
}

bool is_comment_or_blank(std::string_view line) {
  const auto text = trim(line);
  return text.find_first_not_of("\r\n") == text.npos || text.front() == '#';
}

class Editor {
 public:
  Editor(std::string_view document, uint32_t first_line) : first_line_(first_line) {
    while (!document.empty()) {
      const auto end = std::min(document.find('\n'), document.size() - 1) + 1;
      lines_.push_back(document.substr(0, end));
      document.remove_prefix(end);
    }
  }

  std::optional<std::string> edit(const Node& before, const Node& after) {
    const Lines all{0, lines_.size()};
    if (!before.map() || !after.map() || !is_block(*before.map(), all)) return std::nullopt;
    edit_map(*before.map(), after, all);
    return std::move(out_);
  }

 private:
  size_t line_of(Place place) const { return place.line < first_line_ ? lines_.size() : place.line - first_line_; }

  // Every key begins its line, all in one column, one below the other. Before the first there may be "- ".
  bool is_block(const Node::Map& map, Lines within) const {
    if (map.empty()) return false;
    size_t next = within.first;
    for (const NodeMember& member : map) {
      const size_t line = line_of(member.place);
      if (line < next || line >= within.end || member.place.column != map.front().place.column) return false;
      const auto prefix = lines_[line].substr(0, member.place.column - 1);
      const bool dashed = &member == &map.front() && prefix.find_first_not_of(" -") == prefix.npos;
      if (!dashed && prefix.find_first_not_of(' ') != prefix.npos) return false;
      next = line + 1;
    }
    return true;
  }

  // Every element begins a line with its dash.
  bool is_block(const Node::List& list, Lines within) const {
    size_t next = within.first;
    for (const Node& element : list) {
      const size_t line = line_of(element.place());
      if (line < next || line >= within.end) return false;
      if (lines_[line].substr(indent_of(lines_[line])).front() != '-') return false;
      next = line + 1;
    }
    return !list.empty();
  }

  // Where what begins at `lines.first` ends: comments behind it that are not indented deeper belong to what follows.
  size_t content_end(Lines lines, size_t column) const {
    size_t end = lines.end;
    while (end > lines.first + 1 && is_comment_or_blank(lines_[end - 1]) &&
           (trim(lines_[end - 1]).find_first_not_of("\r\n") == std::string_view::npos ||
            indent_of(lines_[end - 1]) <= column))
      --end;
    return end;
  }

  void keep(Lines lines) {
    for (size_t i = lines.first; i < lines.end; ++i) out_ += lines_[i];
  }

  // The text of a member or element, behind `prefix` in its first line and as deep as that in the others.
  void write(std::string_view prefix, std::string_view yaml) {
    if (!out_.empty() && out_.back() != '\n') out_ += '\n';
    bool first = true;
    for (const auto line : split(yaml.substr(0, yaml.size() - (yaml.ends_with('\n') ? 1 : 0)), '\n')) {
      if (first) {
        out_ += prefix;
      } else if (!line.empty()) {
        out_.append(prefix.size(), ' ');
      }
      out_ += line;
      out_ += '\n';
      first = false;
    }
  }

  static std::string member_yaml(const std::string& key, const Node& value) {
    return to_yaml(Node::make_map({{key, value}}));
  }

  void edit_map(const Node::Map& before, const Node& after, Lines within) {
    const size_t column = before.front().place.column - 1;
    size_t done = within.first;
    for (size_t i = 0; i < before.size(); ++i) {
      const NodeMember& member = before[i];
      const size_t line = line_of(member.place);
      const size_t next = i + 1 < before.size() ? line_of(before[i + 1].place) : within.end;
      const Lines lines{line, content_end({line, next}, column)};
      keep({done, line});
      done = lines.end;
      const Node* value = after.find(member.key);
      if (value) {
        edit_member(member, *value, lines);
      } else if (i == 0 && lines_[line].substr(0, column).contains('-')) {
        out_ += lines_[line].substr(0, column);  // the dash of the element stays for the member that follows
        out_ += "\n";
      }
    }
    for (const NodeMember& member : *after.map()) {
      if (!before.find(member.key)) write(std::string(column, ' '), member_yaml(member.key, member.value));
    }
    keep({done, within.end});
  }

  void edit_member(const NodeMember& member, const Node& value, Lines lines) {
    if (member.value == value) return keep(lines);
    const Lines inside{lines.first + 1, lines.end};
    if (member.value.map() && value.map() && !value.map()->empty() && is_block(*member.value.map(), inside)) {
      keep({lines.first, lines.first + 1});
      return edit_map(*member.value.map(), value, inside);
    }
    if (member.value.list() && value.list() && !value.list()->empty() && is_block(*member.value.list(), inside)) {
      keep({lines.first, lines.first + 1});
      return edit_list(*member.value.list(), *value.list(), inside);
    }
    write(lines_[lines.first].substr(0, member.place.column - 1), member_yaml(member.key, value));
  }

  // Equal elements at both ends stay; those between are edited in pairs, what is over is removed or added there.
  void edit_list(const Node::List& before, const Node::List& after, Lines within) {
    const size_t shorter = std::min(before.size(), after.size());
    size_t head = 0;
    while (head < shorter && before[head] == after[head]) ++head;
    size_t tail = 0;
    while (tail < shorter - head && before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) ++tail;
    const size_t dash = indent_of(lines_[line_of(before.front().place())]);

    size_t done = within.first;
    for (size_t i = 0; i < before.size(); ++i) {
      const size_t line = line_of(before[i].place());
      const size_t next = i + 1 < before.size() ? line_of(before[i + 1].place()) : within.end;
      const Lines lines{line, content_end({line, next}, dash)};
      keep({done, line});
      done = lines.end;
      if (i == before.size() - tail) add(after, std::max(head, i), after.size() - tail, dash);
      if (i < head || i >= before.size() - tail) {
        keep(lines);
      } else if (i < after.size() - tail) {
        edit_element(before[i], after[i], lines, dash);
      }
    }
    if (tail == 0) add(after, std::max(head, before.size()), after.size(), dash);
    keep({done, within.end});
  }

  void add(const Node::List& after, size_t first, size_t end, size_t dash) {
    for (size_t i = first; i < end; ++i) write(std::string(dash, ' ') + "- ", to_yaml(after[i]));
  }

  void edit_element(const Node& before, const Node& after, Lines lines, size_t dash) {
    if (before == after) return keep(lines);
    if (before.map() && after.map() && !after.map()->empty() && is_block(*before.map(), lines))
      return edit_map(*before.map(), after, lines);
    write(std::string(dash, ' ') + "- ", to_yaml(after));
  }

  std::vector<std::string_view> lines_;
  uint32_t first_line_;
  std::string out_;
};

}  // namespace

std::optional<std::string> edit_yaml(std::string_view file, size_t begin, size_t end, const Node& before,
                                     const Node& after) {
  if (begin > 0 && file[begin - 1] != '\n') return std::nullopt;  // it begins on the line of its marker
  const auto first_line = static_cast<uint32_t>(std::ranges::count(file.substr(0, begin), '\n') + 1);
  Editor editor(file.substr(begin, end - begin), first_line);
  auto edited = editor.edit(before, after);
  if (!edited) return std::nullopt;
  if (!edited->empty() && edited->back() != '\n') *edited += '\n';
  return std::string(file.substr(0, begin)) + *edited + std::string(file.substr(end));
}

}  // namespace sluice
