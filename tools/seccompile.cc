// SPDX-License-Identifier: Apache-2.0
// seccompile POLICY HEADER [EXTRA]: turns a text policy (sandbox/policies/README.md) into a BPF
// program. Build time only.
//
// libseccomp gives the numbers of the names; the program is laid out here, because libseccomp can
// say neither "this value excepted" nor "every number above the newest that we know".
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "tools/seccompile_names.h"

namespace airlock::seccompile {
namespace {

using Program = std::vector<sock_filter>;

constexpr std::uint32_t kX32Bit = 0x40000000;
constexpr std::size_t kMaxInstructions = BPF_MAXINSNS;
constexpr std::size_t kShortJump = 255;

// One comparison of the low 32 bits of an argument: (arg & mask) is (or is not) one of the values.
// The kernel takes an int or an unsigned int wherever we compare, so bits above them must not
// matter (CVE-2019-7303, CVE-2019-10063).
struct Condition {
  std::uint32_t argument;
  std::uint32_t mask = ~0U;
  std::vector<std::uint32_t> values;
};

struct Rule {
  std::uint32_t action;
  std::vector<Condition> conditions;  // all must hold; none = always
};

struct Policy {
  std::optional<std::uint32_t> defaultAction;
  std::optional<std::uint32_t> unknownAction;  // numbers without a name, and above the newest one
  std::map<int, std::vector<Rule>> rules;      // by number; the first that matches decides
  std::set<std::string> included;
  bool extra = false;  // reading the EXTRA policy: it adds where nothing was decided
};

[[noreturn]] void stop(const std::string& where, const std::string& message) {
  std::cerr << where << ": " << message << "\n";
  std::exit(1);
}

// --- the text
// -----------------------------------------------------------------------------------------------------

struct Line {
  std::string where;  // file:line
  std::vector<std::string> words;
  std::size_t next = 0;

  bool done() const { return next == words.size(); }
  const std::string& take(const char* what) {
    if (done()) stop(where, std::string("expected ") + what);
    return words[next++];
  }
  bool takeIf(const char* word) {
    if (done() || words[next] != word) return false;
    ++next;
    return true;
  }
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::string part;
  std::istringstream stream(text);
  while (std::getline(stream, part, separator)) parts.push_back(part);
  return parts;
}

std::uint32_t constant(const Line& line, const std::string& text) {
  std::uint32_t value = 0;
  for (const std::string& part : split(text, '|')) {
    if (const auto known = kConstants.find(part); known != kConstants.end()) {
      value |= known->second;
      continue;
    }
    std::size_t used = 0;
    unsigned long number = 0;
    try {
      number = std::stoul(part, &used, 0);
    } catch (const std::exception&) {
      stop(line.where, "unknown constant " + part);
    }
    if (used != part.size() || number > ~0U) stop(line.where, "not a 32-bit number: " + part);
    value |= static_cast<std::uint32_t>(number);
  }
  return value;
}

std::optional<std::uint32_t> takeAction(Line& line) {
  if (line.takeIf("allow")) return SECCOMP_RET_ALLOW;
  if (line.takeIf("kill")) return SECCOMP_RET_KILL_PROCESS;
  if (!line.takeIf("errno")) return std::nullopt;
  const std::string& name = line.take("an error name");
  const auto found = kErrors.find(name);
  if (found == kErrors.end()) stop(line.where, "unknown error " + name);
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(found->second);
}

// argN = V | argN in V,V | argN with MASK | argN without MASK | argN masked MASK = V
Condition takeCondition(Line& line) {
  const std::string& name = line.take("argN");
  if (name.size() != 4 || !name.starts_with("arg") || name[3] < '0' || name[3] > '5') {
    stop(line.where, "expected arg0 to arg5, not " + name);
  }
  Condition condition{.argument = static_cast<std::uint32_t>(name[3] - '0'), .values = {}};
  if (line.takeIf("in")) {
    for (const std::string& value : split(line.take("values"), ',')) {
      condition.values.push_back(constant(line, value));
    }
  } else if (line.takeIf("with")) {
    condition.mask = constant(line, line.take("a mask"));
    condition.values = {condition.mask};
  } else if (line.takeIf("without")) {
    condition.mask = constant(line, line.take("a mask"));
    condition.values = {0};
  } else {
    if (line.takeIf("masked")) condition.mask = constant(line, line.take("a mask"));
    if (!line.takeIf("=")) stop(line.where, "expected =, in, with, without or masked");
    condition.values = {constant(line, line.take("a value"))};
  }
  if (condition.values.empty()) stop(line.where, "no values");
  for (const std::uint32_t value : condition.values) {
    if ((value & ~condition.mask) != 0) stop(line.where, "a value outside its mask never matches");
  }
  return condition;
}

// nullopt: a call that this architecture does not have.
std::optional<int> numberOf(const Line& line, const std::string& name) {
  if (const auto newer = kNewerCalls.find(name); newer != kNewerCalls.end()) return newer->second;
  const int number = seccomp_syscall_resolve_name(name.c_str());
  if (number == __NR_SCMP_ERROR) stop(line.where, "unknown system call " + name);
  if (number < 0) return std::nullopt;
  return number;
}

void addRule(Policy& policy, Line& line, std::uint32_t action) {
  std::vector<std::string> names;
  while (!line.done() && line.words[line.next] != "if") names.push_back(line.take("a name"));
  if (names.empty()) stop(line.where, "no system call named");
  Rule rule{.action = action, .conditions = {}};
  if (line.takeIf("if")) {
    rule.conditions.push_back(takeCondition(line));
    while (line.takeIf("and")) rule.conditions.push_back(takeCondition(line));
  }
  if (!line.done()) stop(line.where, "unexpected " + line.words[line.next]);
  for (const std::string& name : names) {
    const std::optional<int> number = numberOf(line, name);
    if (!number) continue;
    std::vector<Rule>& rules = policy.rules[*number];
    if (!rules.empty() && rules.back().conditions.empty()) {
      if (policy.extra) continue;
      stop(line.where, name + " has its last rule already");
    }
    rules.push_back(rule);
  }
}

void readPolicy(Policy& policy, const std::filesystem::path& path);

void readLine(Policy& policy, Line& line, const std::filesystem::path& directory) {
  if (line.takeIf("include")) {
    const std::string& name = line.take("a policy name");
    if (!policy.included.insert(name).second) stop(line.where, name + " is included twice");
    readPolicy(policy, directory / (name + ".policy"));
  } else if (line.takeIf("default")) {
    if (policy.defaultAction) stop(line.where, "a second default");
    policy.defaultAction = takeAction(line);
    if (!policy.defaultAction) stop(line.where, "default needs an action");
  } else if (line.takeIf("unknown")) {
    if (policy.unknownAction) stop(line.where, "a second unknown");
    policy.unknownAction = takeAction(line);
    if (!policy.unknownAction) stop(line.where, "unknown needs an action");
  } else if (const std::optional<std::uint32_t> action = takeAction(line)) {
    addRule(policy, line, *action);
  } else {
    stop(line.where, "unknown directive " + line.words[line.next]);
  }
  if (!line.done()) stop(line.where, "unexpected " + line.words[line.next]);
}

void readPolicy(Policy& policy, const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) stop(path.string(), "not readable");
  std::string text;
  for (int number = 1; std::getline(file, text); ++number) {
    Line line{.where = path.filename().string() + ":" + std::to_string(number), .words = {}};
    const std::size_t comment = text.find('#');
    std::istringstream words(text.substr(0, comment));
    for (std::string word; words >> word;) line.words.push_back(word);
    if (line.words.empty()) continue;
    // A reviewer reads the reason, so a line without one does not compile.
    if (comment == std::string::npos ||
        text.find_first_not_of(" #", comment) == std::string::npos) {
      stop(line.where, "no reason given (# ...)");
    }
    readLine(policy, line, path.parent_path());
  }
}

// --- the program
// --------------------------------------------------------------------------------------------------

sock_filter statement(int code, std::uint32_t value) {
  return {static_cast<std::uint16_t>(code), 0, 0, value};
}
sock_filter jump(int code, std::uint32_t value, std::size_t whenTrue, std::size_t whenFalse) {
  return {static_cast<std::uint16_t>(BPF_JMP | code | BPF_K), static_cast<std::uint8_t>(whenTrue),
          static_cast<std::uint8_t>(whenFalse), value};
}
sock_filter load(std::size_t offset) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter verdict(std::uint32_t action) { return statement(BPF_RET | BPF_K, action); }

void append(Program& program, const Program& more) {
  program.insert(program.end(), more.begin(), more.end());
}

// Falls through when the condition holds, else skips `distance` instructions more.
Program compileCondition(const Condition& condition, std::size_t distance) {
  const std::size_t low = std::endian::native == std::endian::little ? 0 : 4;
  Program program{load(offsetof(seccomp_data, args) + 8 * condition.argument + low)};
  if (condition.mask != ~0U)
    program.push_back(statement(BPF_ALU | BPF_AND | BPF_K, condition.mask));
  std::size_t left = condition.values.size();
  if (left + distance > kShortJump) stop("argument rule", "too long for one jump");
  for (const std::uint32_t value : condition.values) {
    --left;
    program.push_back(jump(BPF_JEQ, value, left, left == 0 ? distance : 0));
  }
  return program;
}

Program compileRules(const std::vector<Rule>& rules, std::uint32_t otherwise) {
  Program program;
  for (const Rule& rule : rules) {
    Program body{verdict(rule.action)};
    for (auto condition = rule.conditions.rbegin(); condition != rule.conditions.rend();
         ++condition) {
      Program test = compileCondition(*condition, body.size());
      append(test, body);
      body = std::move(test);
    }
    append(program, body);
  }
  if (rules.empty() || !rules.back().conditions.empty()) program.push_back(verdict(otherwise));
  return program;
}

// Above this one every number is unknown to us.
int newestNumber() {
  int newest = 0;
  for (const auto& [name, number] : kNewerCalls) newest = std::max(newest, number);
  return newest;
}

// A run of numbers that are decided by the same instructions.
struct Range {
  std::uint32_t first;
  Program code;
};

std::vector<Range> ranges(const Policy& policy, std::uint32_t newest) {
  std::set<int> named;
  for (const auto& [name, number] : kNewerCalls) named.insert(number);
  std::vector<Range> result;
  const auto add = [&result](std::uint32_t number, Program code) {
    const auto same = [](const sock_filter& a, const sock_filter& b) {
      return a.code == b.code && a.jt == b.jt && a.jf == b.jf && a.k == b.k;
    };
    if (!result.empty() && std::ranges::equal(result.back().code, code, same)) return;
    result.push_back({number, std::move(code)});
  };
  const std::uint32_t otherwise = *policy.defaultAction;
  const std::uint32_t unknown = policy.unknownAction.value_or(otherwise);
  for (std::uint32_t number = 0; number <= newest; ++number) {
    const int key = static_cast<int>(number);
    const std::unique_ptr<char, decltype(&std::free)> name(
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, key), &std::free);
    const bool known = name != nullptr || named.contains(key);
    const auto rules = policy.rules.find(key);
    if (rules != policy.rules.end()) {
      add(number, compileRules(rules->second, otherwise));
    } else {
      add(number, {verdict(known ? otherwise : unknown)});
    }
  }
  add(newest + 1, {verdict(unknown)});
  return result;
}

// The accumulator holds the number; a tree, so that each call costs log2 of the ranges.
Program compileTree(std::span<const Range> parts) {
  if (parts.size() == 1) return parts.front().code;
  const std::size_t middle = parts.size() / 2;
  const Program below = compileTree(parts.first(middle));
  const Program above = compileTree(parts.subspan(middle));
  Program program;
  if (below.size() <= kShortJump) {
    program.push_back(jump(BPF_JGE, parts[middle].first, below.size(), 0));
  } else {
    program.push_back(jump(BPF_JGE, parts[middle].first, 0, 1));
    program.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(below.size())));
  }
  append(program, below);
  append(program, above);
  return program;
}

Program compile(const Policy& policy) {
  const std::uint32_t architecture =
      seccomp_arch_native();  // libseccomp's token is the AUDIT_ARCH_* value
  const auto newest = static_cast<std::uint32_t>(newestNumber());
  Program program{load(offsetof(seccomp_data, arch)), jump(BPF_JEQ, architecture, 1, 0),
                  verdict(SECCOMP_RET_KILL_PROCESS), load(offsetof(seccomp_data, nr))};
  if (architecture == AUDIT_ARCH_X86_64) {  // the x32 calls, and -1
    program.push_back(jump(BPF_JGE, kX32Bit, 0, 1));
    program.push_back(verdict(SECCOMP_RET_KILL_PROCESS));
  }
  append(program, compileTree(ranges(policy, newest)));
  if (program.size() > kMaxInstructions) stop("program", "longer than BPF_MAXINSNS");
  return program;
}

std::string header(const std::string& name, const Program& program) {
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(program.data()),
                                            program.size() * sizeof(sock_filter));
  std::string constantName = name;
  constantName[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
  std::ostringstream out;
  out << "// SPDX-License-Identifier: Apache-2.0\n// Made by seccompile from sandbox/policies/"
      << name << ".policy: " << program.size()
      << " instructions.\n#pragma once\n\n#include <linux/filter.h>\n\n"
      << "namespace airlock::sandbox::policies {\n\n"
      << "inline constexpr char k" << constantName << "Digest[] =\n    \"" << digestOf(bytes).text()
      << "\";\ninline constexpr sock_filter k" << constantName << "[] = {\n";
  for (const sock_filter& one : program) {
    out << "    {" << one.code << ", " << int{one.jt} << ", " << int{one.jf} << ", " << one.k
        << "U},\n";
  }
  out << "};\n\n}  // namespace airlock::sandbox::policies\n";
  return out.str();
}

// Every name that this architecture has, sorted, for filters that are made at run time
// (sandbox/call_set.h).
std::string nameTable() {
  std::map<std::string, int> names = kNewerCalls;
  for (int number = 0; number <= newestNumber(); ++number) {
    const std::unique_ptr<char, decltype(&std::free)> name(
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), &std::free);
    if (name) names.emplace(name.get(), number);
  }
  std::ostringstream out;
  out << "// SPDX-License-Identifier: Apache-2.0\n// Made by seccompile --names.\n#pragma once\n\n"
      << "#include <cstdint>\n#include <string_view>\n\nnamespace airlock::sandbox::policies {\n\n"
      << "struct CallName {\n  std::string_view name;\n  int number;\n};\n\n"
      << "inline constexpr std::uint32_t kCallArchitecture = " << seccomp_arch_native()
      << "U;\ninline constexpr CallName kCallNames[] = {\n";
  for (const auto& [name, number] : names) out << "    {\"" << name << "\", " << number << "},\n";
  out << "};\n\n}  // namespace airlock::sandbox::policies\n";
  return out.str();
}

void writeHeader(const char* path, const std::string& text) {
  std::ofstream out(path, std::ios::trunc);
  if (!(out << text << std::flush)) stop(path, "not writable");
}

int run(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--names") {
    writeHeader(argv[2], nameTable());
    return 0;
  }
  if (argc != 3 && argc != 4)
    stop("seccompile", "usage: seccompile POLICY HEADER [EXTRA-POLICY] | --names HEADER");
  Policy policy;
  const std::filesystem::path source = argv[1];
  readPolicy(policy, source);
  if (!policy.defaultAction) stop(source.string(), "no default");
  policy.extra = true;
  if (argc == 4) readPolicy(policy, argv[3]);
  writeHeader(argv[2], header(source.stem().string(), compile(policy)));
  return 0;
}

}  // namespace
}  // namespace airlock::seccompile

int main(int argc, char** argv) { return airlock::seccompile::run(argc, argv); }
