#include "observe/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/log.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

class AccessLogs : public testing::Test {
 protected:
  AccessLogs() {
    std::string name = (fs::temp_directory_path() / "sluice-access-log-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    path = folder / "access.log";
    log::set_sink([](std::string_view) {});
    info.code = 200;
  }
  ~AccessLogs() override {
    log::set_sink(nullptr);
    fs::remove_all(folder);
  }

  static std::string read(const fs::path& file) {
    std::ifstream in(file);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
  }

  static kinds::AccessLoggingService service(std::vector<kinds::FileSink> sinks) {
    kinds::AccessLoggingService out;
    for (kinds::FileSink& sink : sinks) out.access_log.push_back({std::move(sink)});
    return out;
  }

  std::shared_ptr<const AccessLog> create(const std::vector<kinds::FileSink>& sinks) {
    const auto configured = service(sinks);
    auto log = AccessLog::create(&configured, "", *files);
    EXPECT_TRUE(log) << log.error().message;
    return log ? *log : nullptr;
  }

  FormatInput record() { return {.info = info, .now = SteadyTime()}; }
  int64_t dropped() {
    for (const auto& family : metrics.collect())
      if (family.name == "sluice_access_log_dropped_total") return family.samples[0].value;
    return -1;
  }

  fs::path folder;
  std::string path;
  Metrics metrics{4};
  std::unique_ptr<LogFiles> files = std::make_unique<LogFiles>(3, metrics);
  StreamInfo info;
};

TEST_F(AccessLogs, write_a_record_in_each_sinks_format) {
  const std::string other = (folder / "other.json").string();
  const auto log = create({{path, "%RESPONSE_CODE% %RESPONSE_FLAGS%\n", {}},
                           {other, "", Node::make_map({{"code", "%RESPONSE_CODE%"}, {"who", "%REQ(X-USER)%"}})}});
  log->write(record());
  log->write(record());
  EXPECT_EQ(read(path), "");  // waits for more
  files->flush();
  EXPECT_EQ(read(path), "200 -\n200 -\n");
  EXPECT_EQ(read(other), "{\"code\":200,\"who\":null}\n{\"code\":200,\"who\":null}\n");
}

TEST_F(AccessLogs, use_envoys_format_when_a_sink_names_none) {
  info.start_wall = *parse_iso("2030-01-01T00:00:00.5Z");
  info.method = "GET";
  info.original_path = "/x";
  info.details = "http1.codec_error";
  create({{path, "", {}}})->write(record());
  files->flush();
  EXPECT_EQ(read(path), "[2030-01-01T00:00:00.500Z] \"GET /x HTTP/1.1\" 200 - 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\"\n");
}

TEST_F(AccessLogs, add_the_details_to_the_default_log) {
  info.details = "route_not_found";
  const auto log = *AccessLog::create(nullptr, path, *files);
  log->write(record());
  files->flush();
  EXPECT_TRUE(read(path).ends_with("\"-\" route_not_found\n"));
}

TEST_F(AccessLogs, write_nothing_when_the_default_log_is_off) {
  const auto log = *AccessLog::create(nullptr, "", *files);
  EXPECT_TRUE(log->empty());
  log->write(record());
}

TEST_F(AccessLogs, name_every_sink_whose_format_is_bad) {
  const auto bad = service({{path, "%NOPE%", {}},
                            {path, "%RESPONSE_CODE%", {}},
                            {path, "", Node::make_map({{"a", "%"}})},
                            {path, "%NOPE_NOPE_NOPE%", {}}});
  EXPECT_EQ(
      AccessLog::check(bad),
      (std::vector<std::string>{"accessLog[0].fileSink.stringFormat: unknown operator %NOPE%",
                                "accessLog[2].fileSink.jsonFormat.a: a lone % at byte 0: write %% for a percent sign",
                                "accessLog[3].fileSink.stringFormat: unknown operator %NOPE_NOPE_NOPE%"}));
  EXPECT_TRUE(AccessLog::check(service({{path, "ok", {}}})).empty());
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(AccessLogs, try_a_file_again_that_cannot_be_opened_and_keep_its_records) {
  const fs::path later = folder / "missing" / "log";
  const auto log = create({{path, "a\n", {}}, {later.string(), "b\n", {}}});
  ASSERT_TRUE(log);
  EXPECT_EQ(log->problems(), std::vector{"accessLog[1].fileSink.path: cannot write the access log " + later.string() +
                                         ": No such file or directory"});
  log->write(record());
  files->flush();
  EXPECT_EQ(read(path), "a\n");
  fs::create_directory(later.parent_path());
  files->retry();
  EXPECT_TRUE(log->problems().empty());
  files->flush();
  EXPECT_EQ(read(later), "b\n");
}

TEST_F(AccessLogs, have_no_problem_any_more_once_they_were_opened_anew) {
  const fs::path later = folder / "missing" / "log";
  const auto log = create({{later.string(), "b\n", {}}});
  EXPECT_EQ(log->problems().size(), 1U);
  fs::create_directory(later.parent_path());
  files->reopen();  // SIGUSR1, before it was tried again
  EXPECT_TRUE(log->problems().empty());
}

TEST_F(AccessLogs, drop_and_count_what_a_file_that_never_opens_would_have_to_take) {
  const auto log = create({{(folder / "missing" / "log").string(), std::string(1023, 'x') + "\n", {}}});
  for (int i = 0; i < 3000; ++i) log->write(record());
  EXPECT_LE(dropped(), 3000 - 1024);
  EXPECT_GE(dropped(), 3000 - 2 * 1024);  // as much again may have been handed over
}

TEST_F(AccessLogs, say_which_file_could_not_be_written_without_making_one) {
  const auto said = [&](const fs::path& file) {
    const auto problems = AccessLog::try_files(service({{file.string(), "x", {}}}));
    return problems.empty() ? "" : problems.front().substr(problems.front().rfind(": ") + 2);
  };
  EXPECT_EQ(said(folder / "missing" / "log"), "No such file or directory");
  EXPECT_EQ(said(folder), "Is a directory");
  EXPECT_EQ(said(path), "");
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(said("/dev/stdout"), "");
  std::ofstream(path) << "there";
  EXPECT_EQ(said(path), "");
  EXPECT_EQ(read(path), "there");
}

TEST_F(AccessLogs, write_by_themselves_when_64_KiB_wait) {
  const auto log = create({{path, std::string(1023, 'x') + "\n", {}}});
  for (int i = 0; i < 63; ++i) log->write(record());
  EXPECT_EQ(fs::file_size(path), 0U);
  log->write(record());
  EXPECT_EQ(fs::file_size(path), 65536U);
}

TEST_F(AccessLogs, write_what_waits_of_all_threads_when_the_last_holder_lets_go) {
  auto log = create({{path, "line\n", {}}});
  for (unsigned slot : {1U, 2U})
    std::thread([&] {
      worker_index = slot;
      log->write(record());
    }).join();
  EXPECT_EQ(read(path), "");
  log.reset();
  EXPECT_EQ(read(path), "line\nline\n");
}

TEST_F(AccessLogs, share_a_file_between_listeners_and_snapshots) {
  auto first = create({{path, "a\n", {}}});
  const auto second = create({{path, "b\n", {}}});
  first->write(record());
  second->write(record());
  first.reset();
  files->flush();
  EXPECT_EQ(read(path), "a\nb\n");
}

TEST_F(AccessLogs, go_on_in_a_new_file_after_rotation) {
  const auto log = create({{path, "line\n", {}}});
  log->write(record());
  files->flush();
  fs::rename(path, path + ".1");
  log->write(record());
  files->flush();
  EXPECT_EQ(read(path + ".1"), "line\nline\n");
  files->reopen();
  log->write(record());
  files->flush();
  EXPECT_EQ(read(path), "line\n");
}

// A full disk takes the beginning of a record.
TEST_F(AccessLogs, write_a_torn_record_whole_into_the_new_file) {
  const auto log = create({{path, "0123456789\n", {}}});
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{.rlim_cur = 15, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  for (int i = 0; i < 2; ++i) log->write(record());
  files->flush();
  files->flush();
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old_handler);
  ASSERT_EQ(read(path), "0123456789\n0123");
  files->reopen();  // the same file
  fs::rename(path, path + ".1");
  files->reopen();
  log->write(record());
  files->flush();
  files->flush();
  EXPECT_EQ(read(path + ".1"), "0123456789\n0123");
  EXPECT_EQ(read(path), "0123456789\n0123456789\n");
}

TEST_F(AccessLogs, keep_the_old_file_when_it_cannot_be_opened_anew) {
  const auto log = create({{path, "line\n", {}}});
  fs::rename(folder, folder.string() + ".moved");
  files->reopen();
  log->write(record());
  files->flush();
  EXPECT_EQ(read(folder.string() + ".moved/access.log"), "line\n");
  EXPECT_TRUE(log->problems().at(0).contains("No such file or directory; records go on into the old file"));
  fs::create_directory(folder);
  files->retry();
  EXPECT_TRUE(log->problems().empty());
  log->write(record());
  files->flush();
  EXPECT_EQ(read(path), "line\n");
  fs::remove_all(folder.string() + ".moved");
}

TEST_F(AccessLogs, do_not_wait_for_a_reader_that_stands_still_and_count_what_they_drop) {
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  const auto log = create({{path, std::string(1023, 'x') + "\n", {}}});
  for (int i = 0; i < 3000; ++i) log->write(record());
  EXPECT_GT(dropped(), 1000);
  EXPECT_LT(dropped(), 2000);

  // What was taken comes out in whole lines once somebody reads.
  std::string all;
  std::string part(65536, '\0');
  for (ssize_t n = 1; n > 0;) {
    while ((n = ::read(reader, part.data(), part.size())) > 0) all.append(part, 0, static_cast<size_t>(n));
    const size_t before = all.size();
    files->flush();
    n = ::read(reader, part.data(), part.size());
    if (n > 0) all.append(part, 0, static_cast<size_t>(n));
    if (all.size() == before) break;
  }
  EXPECT_EQ(all.size(), static_cast<size_t>(3000 - dropped()) * 1024);
  EXPECT_EQ(static_cast<size_t>(std::ranges::count(all, '\n')), all.size() / 1024);
  log->write(record());
  EXPECT_EQ(static_cast<size_t>(3000 - dropped()) * 1024, all.size());  // room again
  ::close(reader);
}

TEST_F(AccessLogs, are_written_by_a_thread_of_their_own) {
  files->start_writer();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  auto log = create({{path, std::string(1023, 'x') + "\n", {}}});
  for (int i = 0; i < 1000; ++i) log->write(record());
  files->flush();
  EXPECT_EQ(dropped(), 0);
  log.reset();  // what is left is written none the less
  ::fcntl(reader, F_SETFL, 0);
  std::string all;
  std::string part(65536, '\0');
  for (ssize_t n = 0; (n = ::read(reader, part.data(), part.size())) > 0;) all.append(part, 0, static_cast<size_t>(n));
  EXPECT_EQ(all.size(), 1000U * 1024);  // and the end: the file has been closed
  ::close(reader);
}

TEST_F(AccessLogs, come_out_before_the_end_and_do_not_hold_it_up) {
  const auto begin = steady_now();
  files->start_writer();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  const std::string regular = (folder / "regular.log").string();
  const auto log = create({{path, std::string(1023, 'x') + "\n", {}}, {regular, "line\n", {}}});
  for (int i = 0; i < 200; ++i) log->write(record());
  files->stop_writer();
  EXPECT_EQ(read(regular).size(), 200U * 5);
  EXPECT_LT(steady_now() - begin, 4s);  // nobody reads the other
  ::close(reader);
}

TEST_F(AccessLogs, survive_a_reader_that_goes_away) {
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  const auto log = create({{path, "line\n", {}}});
  ::close(reader);
  log->write(record());
  files->flush();
  for (const auto& family : metrics.collect())
    if (family.name == "sluice_access_log_write_failures_total") EXPECT_EQ(family.samples[0].value, 1);
}

TEST_F(AccessLogs, keep_records_for_a_disk_that_is_full_and_say_so_once) {
  static int lines = 0;
  lines = 0;
  log::set_sink([](std::string_view) { ++lines; });
  const auto log = create({{"/dev/full", std::string(1023, 'x') + "\n", {}}});
  for (int i = 0; i < 1300; ++i) log->write(record());
  EXPECT_EQ(lines, 1);
  EXPECT_GE(dropped(), 100);
}

}  // namespace
}  // namespace sluice
