#include "control/store/file_write.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/time.h"
#include "control/store/test_folder.h"

namespace sluice {
namespace {

constexpr unsigned kMode = 0644;

TEST(ReplaceFile, replaces_what_was_expected_and_keeps_the_mode) {
  const TestFolder folder;
  folder.write("a", "old");
  ::chmod(folder.path("a").c_str(), 0640);
  ASSERT_TRUE(replace_file(folder.path("a"), "new", content_hash("old")));
  EXPECT_EQ(folder.read("a"), "new");
  struct stat info{};
  ::stat(folder.path("a").c_str(), &info);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_EQ(folder.names(), "a");
}

TEST(ReplaceFile, leaves_what_somebody_else_wrote) {
  const TestFolder folder;
  folder.write("a", "theirs");
  const auto changed = replace_file(folder.path("a"), "ours", content_hash("old"));
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().kind, ErrorKind::conflict);
  const auto appeared = replace_file(folder.path("a"), "ours", std::nullopt);
  ASSERT_FALSE(appeared);
  EXPECT_EQ(appeared.error().kind, ErrorKind::conflict);
  const auto vanished = replace_file(folder.path("b"), "ours", content_hash("old"));
  ASSERT_FALSE(vanished);
  EXPECT_EQ(vanished.error().kind, ErrorKind::conflict);
  const auto removed = remove_file(folder.path("a"), content_hash("old"));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().kind, ErrorKind::conflict);
  EXPECT_EQ(folder.read("a"), "theirs");
  EXPECT_EQ(folder.names(), "a");
}

TEST(ReplaceFile, creates_a_file_that_is_not_there) {
  const TestFolder folder;
  ASSERT_TRUE(replace_file(folder.path("a"), "new", std::nullopt));
  EXPECT_EQ(folder.read("a"), "new");
  EXPECT_EQ(folder.names(), "a");
}

TEST(ReadFile, asks_for_what_helps_to_read) {
  const TestFolder folder;
  folder.write("a", "x");
  ::chmod(folder.path("a").c_str(), 0);
  const BoundByModes like_others;
  const auto text = read_file(folder.path("a"), 100);
  ASSERT_FALSE(text);
  EXPECT_TRUE(text.error().message.ends_with("Permission denied: make it readable for sluice")) << text.error().message;
}

TEST(ReplaceFile, says_why_it_does_not_touch_links_and_folders) {
  const TestFolder folder;
  folder.write("real", "old");
  std::filesystem::create_symlink("real", folder.path("link"));
  std::filesystem::create_directory(folder.path("folder"));
  for (const auto name : {"link", "folder"}) {
    const auto done = replace_file(folder.path(name), "new", content_hash("old"));
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().kind, ErrorKind::denied) << done.error().message;
    EXPECT_FALSE(remove_file(folder.path(name), content_hash("old"))) << name;
  }
  EXPECT_EQ(folder.read("real"), "old");
}

TEST(ReplaceFile, says_when_the_folder_is_not_there) {
  const TestFolder folder;
  const auto done = replace_file(folder.path("none/a"), "new", std::nullopt);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::not_found);
}

TEST(ReplaceFile, keeps_the_old_bytes_when_the_disk_takes_no_more) {
  const TestFolder folder;
  folder.write("a", "old");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 100, .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);  // writing past it fails as on a full disk
  const auto done = replace_file(folder.path("a"), std::string(1000, 'x'), content_hash("old"));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::limit);
  EXPECT_EQ(folder.read("a"), "old");
  EXPECT_EQ(folder.names(), "a");
}

// What an editor may do between our last look at its file and our write.
struct Edit {
  std::string_view name;
  void (*make)(const TestFolder& folder);
  std::string_view left;
};
constexpr Edit kEdits[] = {
    {"renamed over it",
     [](const TestFolder& folder) {
       folder.write(".edit", "theirs");
       std::filesystem::rename(folder.path(".edit"), folder.path("a"));
     },
     "theirs"},
    {"written into it", [](const TestFolder& folder) { folder.write("a", "theirs"); }, "theirs"},
    {"emptied", [](const TestFolder& folder) { folder.write("a", ""); }, ""},
    {"removed", [](const TestFolder& folder) { folder.remove("a"); }, ""},
    {"replaced by a link",
     [](const TestFolder& folder) {
       folder.write(".edit", "theirs");
       folder.remove("a");
       std::filesystem::create_symlink(".edit", folder.path("a"));
     },
     "theirs"},
};

// As editors do it: all of the new text at once.
void rename_over(const TestFolder& folder, std::string_view text) {
  folder.write(".edit", text);
  std::filesystem::rename(folder.path(".edit"), folder.path("a"));
}

TEST(ReplaceFile, gives_back_an_edit_that_came_between_the_look_and_the_swap) {
  for (const Edit& edit : kEdits) {
    const TestFolder folder;
    folder.write("a", "old");
    const auto done = replace_file(folder.path("a"), "ours", content_hash("old"), kMode, [&] { edit.make(folder); });
    ASSERT_FALSE(done) << edit.name;
    EXPECT_EQ(done.error().kind, ErrorKind::conflict) << edit.name << done.error().message;
    EXPECT_TRUE(done.error().message.contains("was changed on disk in the meantime")) << done.error().message;
    EXPECT_EQ(folder.read("a"), edit.left) << edit.name;
    EXPECT_FALSE(folder.names().contains(".tmp")) << edit.name << folder.names();
  }
}

TEST(RemoveFile, gives_back_an_edit_that_came_between_the_look_and_the_removal) {
  for (const Edit& edit : kEdits) {
    const TestFolder folder;
    folder.write("a", "old");
    const auto done = remove_file(folder.path("a"), content_hash("old"), [&] { edit.make(folder); });
    ASSERT_FALSE(done) << edit.name;
    EXPECT_EQ(done.error().kind, ErrorKind::conflict) << edit.name << done.error().message;
    EXPECT_EQ(folder.read("a"), edit.left) << edit.name;
    EXPECT_FALSE(folder.names().contains(".tmp")) << edit.name << folder.names();
  }
}

// The bytes are still the expected ones, and yet an edit is on its way into them.
TEST(ReplaceFile, leaves_a_file_to_an_editor_that_has_it_open_for_writing) {
  for (const bool opened_before : {true, false}) {
    const TestFolder folder;
    folder.write("a", "old");
    int editor = -1;
    const auto open = [&] { editor = ::open(folder.path("a").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC); };
    if (opened_before) open();
    const auto done =
        replace_file(folder.path("a"), "ours", content_hash("old"), kMode, opened_before ? [] {} : std::function(open));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::conflict) << done.error().message;
    ASSERT_EQ(::write(editor, " and theirs", 11), 11);
    ::close(editor);
    EXPECT_EQ(folder.read("a"), "old and theirs");
    EXPECT_EQ(folder.names(), "a");
  }
}

// Most file systems give the number of a file that is gone to the next one that is made: ours, which the second edit
// removed, to the third.
TEST(ReplaceFile, takes_no_edit_for_its_own_file_by_a_number_that_was_given_again) {
  const TestFolder folder;
  folder.write("a", "old");
  const auto edit = [&folder](std::string_view text) { rename_over(folder, text); };
  const auto done = replace_file(
      folder.path("a"), "ours", content_hash("old"), kMode, [&] { edit("first"); },
      [&, edited = false]() mutable {
        if (std::exchange(edited, true)) return;
        edit("second");
        edit("third");
      });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::conflict) << done.error().message;
  EXPECT_EQ(folder.read("a"), "third");
  EXPECT_EQ(folder.names(), "a");
}

TEST(ReplaceFile, gives_back_an_edit_that_was_written_into_its_own_file) {
  for (const bool closed : {true, false}) {
    const TestFolder folder;
    folder.write("a", "old");
    std::ofstream editor;
    bool edited = false;
    const auto done = replace_file(
        folder.path("a"), "ours", content_hash("old"), kMode, [&] { rename_over(folder, "first"); },
        [&] {
          if (std::exchange(edited, true)) return;
          editor.open(folder.path("a"));
          editor << "second";
          if (closed) editor.close();
        });
    editor.close();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::conflict) << done.error().message;
    EXPECT_EQ(folder.read("a"), "second");
    EXPECT_EQ(folder.names(), "a");
  }
}

TEST(ReplaceFile, keeps_an_edit_that_cannot_be_put_back) {
  const TestFolder folder;
  folder.write("a", "old");
  int edits = 0;
  const auto edit = [&] { rename_over(folder, fmt::format("edit {}", ++edits)); };
  const auto done = replace_file(folder.path("a"), "ours", content_hash("old"), kMode, edit, edit);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::conflict);
  EXPECT_EQ(done.error().message,
            fmt::format("{} was changed on disk in the meantime, and that edit could not be put back (it was changed "
                        "again each time): it is in {}.not-put-back",
                        folder.path("a"), folder.path("a")));
  remove_leftovers(folder.path());
  EXPECT_EQ(folder.names(), "a a.not-put-back");
  EXPECT_EQ(folder.read("a.not-put-back"), fmt::format("edit {}", edits));

  const int before = edits;  // once more: the first one stays
  ASSERT_FALSE(replace_file(folder.path("a"), "ours", content_hash(folder.read("a")), kMode, edit, edit));
  remove_leftovers(folder.path());
  EXPECT_EQ(folder.names(), "a a.not-put-back a.not-put-back-2");
  EXPECT_EQ(folder.read("a.not-put-back"), fmt::format("edit {}", before));
  EXPECT_EQ(folder.read("a.not-put-back-2"), fmt::format("edit {}", edits));
}

TEST(ReplaceFile, loses_no_edit_when_there_are_no_descriptors_left) {
  const TestFolder folder;
  folder.write("a", "old");
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  int edits = 0;
  const auto done = replace_file(
      folder.path("a"), "ours", content_hash("old"), kMode, [&] { rename_over(folder, "first"); },
      [&] {
        if (++edits > 1) return;
        rename_over(folder, "second");
        const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
      });
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::conflict) << done.error().message;
  EXPECT_EQ(folder.read("a"), "first");
  EXPECT_EQ(folder.read("a.not-put-back"), "second");
}

// Each edit is a text of its own, so that it stays, with what we add behind it, until the next.
TEST(ReplaceFile, loses_no_edit_of_somebody_who_never_looks) {
  const TestFolder folder;
  const std::string path = folder.path("a");
  folder.write("a", "edit 0;");
  std::atomic<bool> over = false;
  std::atomic<int> written = 0;
  std::jthread writer([&] {
    while (!over) {
      const auto now = read_file(path, 1 << 20);
      if (now && replace_file(path, *now + "+", content_hash(*now))) ++written;
    }
  });
  const auto in_time = [](auto holds) {
    const auto deadline = steady_now() + 20s;
    while (steady_now() < deadline)
      if (holds()) return true;
    return false;
  };
  const auto edit_and_look = [&] {
    for (int i = 1; i <= 300; ++i) {
      const std::string edit = fmt::format("edit {};", i);
      folder.write(".edit", edit);
      std::filesystem::rename(folder.path(".edit"), path);
      ASSERT_TRUE(in_time([&] { return folder.read("a").starts_with(edit); }))
          << edit << " is lost, there is " << folder.read("a").substr(0, 20);
      if (i % 10 > 0) continue;
      ASSERT_TRUE(in_time([&, before = written.load()] { return written > before; }));  // now and then it has its way
    }
  };
  edit_and_look();
  over = true;
}

TEST(RemoveLeftovers, takes_only_temporary_files_of_writers_that_are_gone) {
  const TestFolder folder;
  folder.write(".sluice-4194304999-1.tmp", "x");                    // no such process
  folder.write(fmt::format(".sluice-{}-9.tmp", ::getpid()), "x");   // ours, from before
  folder.write(fmt::format(".sluice-{}-9.tmp", ::getppid()), "x");  // somebody who lives
  folder.write(".other.tmp", "x");
  folder.write("a.yaml", "x");
  remove_leftovers(folder.path());
  EXPECT_EQ(folder.names(), fmt::format(".other.tmp .sluice-{}-9.tmp a.yaml", ::getppid()));
  remove_leftovers(folder.path("none"));
}

TEST(ReadFile, is_bounded_and_reads_regular_files_only) {
  const TestFolder folder;
  folder.write("a", "12345");
  ::mkfifo(folder.path("pipe").c_str(), 0600);
  EXPECT_EQ(*read_file(folder.path("a"), 5), "12345");
  EXPECT_EQ(read_file(folder.path("a"), 4).error().kind, ErrorKind::limit);
  EXPECT_EQ(read_file(folder.path("none"), 5).error().kind, ErrorKind::not_found);
  EXPECT_FALSE(read_file(folder.path("pipe"), 5));
  EXPECT_FALSE(read_file(folder.path(), 5));
}

}  // namespace
}  // namespace sluice
