#include "control/store/config_folder.h"

#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "control/store/file_write.h"
#include "control/store/test_config.h"

namespace sluice {
namespace {

// The names whose files were changed, once for each time. A write exchanges the file for a new one, so that what was
// there is moved from its name as when it is removed. Not those of temporary files.
class ChangedNames {
 public:
  explicit ChangedNames(const std::string& folder) : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    CHECK(::inotify_add_watch(fd_, folder.c_str(), IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE) >= 0);
  }
  ChangedNames(const ChangedNames&) = delete;
  ChangedNames& operator=(const ChangedNames&) = delete;
  ~ChangedNames() { ::close(fd_); }

  std::string seen() const {
    std::multiset<std::string> names;
    alignas(inotify_event) char events[65536];
    for (ssize_t size; (size = ::read(fd_, events, sizeof events)) > 0;) {
      for (ssize_t at = 0; at < size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(events + at);
        CHECK(!(event->mask & IN_Q_OVERFLOW));
        if (event->len > 0 && event->name[0] != '.') names.insert(event->name);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
    std::string line;
    for (const std::string& name : names) line += (line.empty() ? "" : " ") + name;
    return line;
  }

 private:
  int fd_;
};

TEST(ConfigFolder, reads_what_counts_and_nothing_else) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1) + "---\n" + upstream("b", 2));
  c.folder.write("c.yml", upstream("c", 3));
  c.folder.write("e.YAML", upstream("e", 5));
  c.folder.write(
      "d.json",
      R"({"apiVersion":"gloo.solo.io/v1","kind":"Upstream","metadata":{"name":"d"},"spec":{"static":{"hosts":[{"addr":"x","port":4}]}}})");
  for (const auto name :
       {".a.yaml.swp", ".hidden.yaml", "x.yaml~", "4913", "y.yaml.bak", "README", "#z.yaml#", ".git/e.yaml"})
    c.folder.write(name, upstream("ignored", 9));
  c.open();
  EXPECT_EQ(c.names(), "a b c d e");
  EXPECT_EQ(c.config->diagnostics().errors(), 0u) << c.config->diagnostics().to_string();
}

TEST(ConfigFolder, reads_the_folders_below_it_and_follows_them) {
  Configured c;
  c.folder.write("team/a/vs.yaml", upstream("a", 1));
  c.open();
  EXPECT_EQ(c.names(), "a");
  c.folder.write("team/b/vs.yaml", upstream("b", 2));
  pollfd ready{c.config->fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 10'000), 1);
  EXPECT_TRUE(c.reload());
  EXPECT_EQ(c.names(), "a b");
  c.config->on_readable(SteadyTime(1s));
  c.folder.write("team/b/vs.yaml", upstream("b", 3));  // in a folder that was not there at first
  EXPECT_EQ(::poll(&ready, 1, 10'000), 1);
  EXPECT_TRUE(c.reload());
  EXPECT_EQ(c.port("b"), 3);
}

TEST(ConfigFolder, reads_each_folder_once_though_links_lead_round_in_a_circle) {
  Configured c;
  c.folder.write("team/vs.yaml", upstream("a", 1));
  std::filesystem::create_directory_symlink(c.folder.path(), c.folder.path("team/up"));
  c.open();
  EXPECT_EQ(c.names(), "a");
  EXPECT_EQ(c.config->diagnostics().errors(), 0u) << c.config->diagnostics().to_string();
}

TEST(ConfigFolder, says_where_it_stops_reading_folders) {
  {
    Configured c;
    std::string deep;
    for (unsigned i = 0; i <= FolderScan::kDepthMax; ++i) deep += "d/";
    c.folder.write(deep + "vs.yaml", upstream("a", 1));
    c.open();
    EXPECT_EQ(c.names(), "");
    EXPECT_TRUE(c.config->diagnostics().to_string().contains("folders more than 16 deep are not read"));
  }
  Configured c;
  for (unsigned i = 0; i < FolderScan::kFoldersMax; ++i)
    std::filesystem::create_directory(c.folder.path(fmt::format("{}", i)));
  c.open();
  EXPECT_TRUE(c.config->diagnostics().to_string().contains("more than 1000 folders; the others are not read"));
}

TEST(ConfigFolder, reads_gloos_flattened_files_by_their_folders) {
  Configured c;
  c.folder.write("upstreams/ns/a.yaml", "metadata: {name: a, namespace: ns}\nstatic: {hosts: [{addr: x, port: 1}]}\n");
  c.open();
  EXPECT_NE(c.store.find({"Upstream", "ns", "a"}), nullptr) << c.config->diagnostics().to_string();
}

TEST(ConfigFolder, takes_in_what_changed_and_says_whether_something_did) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.open();
  EXPECT_FALSE(c.reload());
  c.folder.write("a.yaml", upstream("a", 2));
  c.folder.write("b.yaml", upstream("b", 3));
  EXPECT_TRUE(c.reload());
  EXPECT_EQ(c.port("a"), 2);
  EXPECT_EQ(c.store.find(key("a"))->generation, 2);
  EXPECT_EQ(c.port("b"), 3);
  c.folder.remove("a.yaml");
  EXPECT_TRUE(c.reload());
  EXPECT_EQ(c.names(), "b");
}

TEST(ConfigFolder, keeps_every_object_of_a_file_with_a_syntax_error) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1) + "---\n" + upstream("b", 2));
  c.folder.write("c.yaml", upstream("c", 3));
  c.open();
  c.folder.write("a.yaml", upstream("a", 5) + "---\nkind: [\n");
  c.folder.write("c.yaml", upstream("c", 4));
  c.reload();
  EXPECT_EQ(c.port("a"), 1);
  EXPECT_EQ(c.port("b"), 2);
  EXPECT_EQ(c.port("c"), 4);
  EXPECT_GT(c.config->diagnostics().errors(), 0u);
  EXPECT_TRUE(c.config->rejected().contains(key("a")));
  EXPECT_TRUE(c.config->rejected().contains(key("b")));
  EXPECT_FALSE(c.config->rejected().contains(key("c")));

  const auto refused = c.put(upstream("b", 7));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
  EXPECT_TRUE(refused.error().message.contains("mend")) << refused.error().message;

  c.folder.write("a.yaml", upstream("a", 5));
  c.reload();
  EXPECT_EQ(c.names(), "a c");
  EXPECT_EQ(c.port("a"), 5);
  EXPECT_TRUE(c.config->rejected().empty());
}

// A slip of the hand in what says which object it is must not be taken for its end.
TEST(ConfigFolder, keeps_an_object_that_may_be_a_document_that_is_none) {
  const std::string good = upstream("a", 1);
  const auto slip = [&good](std::string_view right, std::string_view wrong) { return replaced(good, right, wrong); };
  for (const std::string& edited :
       {slip("Upstream", "Upstraem"), slip("gloo.solo.io/v1", "gloo.solo.io/v9"), slip("name: a", "name: A_"),
        slip("name: a", "nam: a"), slip("kind: Upstream", "knd: Upstream"), slip("metadata:", "metdata:"),
        slip("gloo.solo.io", "gloo.sol.io"), slip("gloo.solo.io/v1", "v1"), slip("gloo.solo.io", ""),
        std::string("just a text"), std::string("apiVersion: v1\nkind: List\nitem: []\n"),
        std::string("kind: List\nitems: {a: b}\n")}) {
    Configured c;
    c.folder.write("a.yaml", good + "---\n" + upstream("b", 2) + "---\n" + upstream("c", 3));
    c.open();
    c.folder.write("a.yaml", edited + "\n---\n" + upstream("b", 5));
    c.reload();
    EXPECT_EQ(c.names(), "a b c") << edited;
    EXPECT_EQ(c.port("a"), 1) << edited;
    EXPECT_EQ(c.port("b"), 5) << edited;
    ASSERT_TRUE(c.config->rejected().contains(key("a"))) << edited;
    EXPECT_FALSE(c.config->rejected().contains(key("b"))) << edited;
    EXPECT_TRUE(c.config->rejected().at(key("a")).contains("a.yaml:")) << c.config->rejected().at(key("a"));

    const auto written = c.put(upstream("a", 7));
    ASSERT_FALSE(written) << edited;
    EXPECT_EQ(written.error().kind, ErrorKind::conflict);
    EXPECT_TRUE(written.error().message.contains("mend it first: ")) << written.error().message;
    const std::vector<ObjectKey> keys{key("a")};
    const auto erased = c.config->erase_all(keys);
    ASSERT_FALSE(erased) << edited;
    EXPECT_EQ(erased.error().kind, ErrorKind::conflict);

    c.folder.write("a.yaml", upstream("b", 5));
    c.reload();
    EXPECT_EQ(c.names(), "b") << edited;
    EXPECT_TRUE(c.config->rejected().empty()) << edited;
  }
}

TEST(ConfigFolder, keeps_the_last_good_version_of_a_rejected_object) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1) + "---\n" + upstream("b", 2));
  c.open();
  c.folder.write("a.yaml", upstream("a", 5) + "  nonsense: 1\n---\n" + upstream("b", 6));
  c.reload();
  EXPECT_EQ(c.port("a"), 1);
  EXPECT_EQ(c.port("b"), 6);
  ASSERT_TRUE(c.config->rejected().contains(key("a")));
  EXPECT_TRUE(c.config->rejected().at(key("a")).contains("nonsense")) << c.config->rejected().at(key("a"));
}

TEST(ConfigFolder, does_not_write_over_an_edit_that_is_not_in_force) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1) + "---\n" + upstream("b", 2));
  c.open();
  const std::string edited = upstream("a", 5) + "  nonsense: 1\n---\n" + upstream("b", 2);
  c.folder.write("a.yaml", edited);
  c.reload();
  const auto refused = c.put(upstream("a", 8));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
  for (const auto words : {"a.yaml has an edit of it that is not in force, mend it first", "nonsense"})
    EXPECT_TRUE(refused.error().message.contains(words)) << refused.error().message;
  EXPECT_EQ(c.folder.read("a.yaml"), edited);
  EXPECT_EQ(c.port("a"), 1);
  ASSERT_TRUE(c.put(upstream("b", 3)));  // its neighbour keeps the edit
  EXPECT_TRUE(c.folder.read("a.yaml").contains("nonsense"));
  EXPECT_TRUE(c.config->rejected().contains(key("a")));
  c.folder.write("a.yaml", upstream("a", 5));
  c.reload();
  EXPECT_TRUE(c.put(upstream("a", 8)));
  EXPECT_EQ(c.port("a"), 8);
}

// In both orders of names: it is the order of the configured paths that says which copy counts.
TEST(ConfigFolder, keeps_to_the_copy_that_counts_whatever_is_written) {
  for (const auto& [first, second] : {std::pair("a", "b"), std::pair("b", "a")}) {
    Configured c;
    const std::string good = fmt::format("{}/x.yaml", first), other = fmt::format("{}/x.yaml", second);
    c.folder.write(good, upstream("x", 1));
    c.folder.write(other, upstream("x", 2) + "---\n" + upstream("z", 3));
    c.open({c.folder.path(first), c.folder.path(second)});
    EXPECT_EQ(c.port("x"), 1);
    ASSERT_TRUE(c.put(upstream("z", 4)));
    EXPECT_EQ(c.port("x"), 1) << "a neighbour of the other copy was written";
    ASSERT_TRUE(c.put(upstream("x", 7)));
    EXPECT_EQ(c.port("x"), 7);
    EXPECT_EQ(c.folder.read(good), upstream("x", 7));
    EXPECT_EQ(c.folder.read(other), upstream("x", 2) + "---\n" + upstream("z", 4));
    const uint64_t version = c.store.version();
    ASSERT_TRUE(c.config->erase(key("x")));
    EXPECT_FALSE(c.folder.has(good));
    EXPECT_EQ(c.port("x"), 2) << "as after a restart";
    EXPECT_EQ(c.store.change_at(*c.store.changes_after(version))->type, ChangeType::deleted) << "it is another object";
    ASSERT_TRUE(c.config->erase(key("z")));
    EXPECT_EQ(c.folder.read(other), upstream("x", 2));
    ASSERT_TRUE(c.config->erase(key("x")));
    EXPECT_EQ(c.names(), "");
    EXPECT_FALSE(c.reload());
  }
}

TEST(ConfigFolder, says_at_the_next_reload_what_a_write_took_in_beside) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.folder.write("b.yaml", upstream("b", 1));
  c.folder.write("bad.yaml", "kind: [\n");
  c.open();
  c.folder.write("b.yaml", upstream("b", 1) + "  nonsense: 1\n");
  ASSERT_TRUE(c.put(upstream("a", 2)));
  EXPECT_TRUE(c.config->rejected().contains(key("b")));
  EXPECT_TRUE(c.reload()) << "nobody was told of b";
  EXPECT_FALSE(c.reload());
}

TEST(ConfigFolder, keeps_the_copy_in_force_while_its_file_cannot_be_read) {
  Configured c;
  c.folder.write("a.yaml", upstream("x", 1));
  c.folder.write("b.yaml", upstream("x", 2));
  c.open();
  c.folder.write("a.yaml", "kind: [\n");
  c.reload();
  EXPECT_EQ(c.port("x"), 1);
  EXPECT_FALSE(c.put(upstream("x", 3)));
  EXPECT_FALSE(c.config->erase(key("x")));
  c.folder.remove("a.yaml");
  c.reload();
  EXPECT_EQ(c.port("x"), 2);
}

// No file and no folder can be opened while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{.rlim_cur = 0, .rlim_max = before_.rlim_max};
    CHECK(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(ConfigFolder, keeps_everything_while_a_folder_cannot_be_listed_and_asks_to_be_tried_again) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.folder.write("upstreams/ns/b.yaml", "metadata: {name: b, namespace: ns}\nstatic: {hosts: [{addr: x, port: 1}]}\n");
  c.open();
  EXPECT_FALSE(c.config->incomplete());
  c.folder.write("a.yaml", upstream("a", 2));
  {
    const NoDescriptors none;
    EXPECT_TRUE(c.reload());
    EXPECT_FALSE(c.reload()) << "it is told once";
  }
  EXPECT_EQ(c.names(), "a b");
  EXPECT_EQ(c.port("a"), 1);
  EXPECT_TRUE(c.config->diagnostics().to_string().contains("cannot list")) << c.config->diagnostics().to_string();
  EXPECT_TRUE(c.config->incomplete());
  for (const auto& done : {c.put(upstream("a", 3)), c.config->erase(key("a"))}) {
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::conflict);
    EXPECT_TRUE(done.error().message.contains("cannot be listed")) << done.error().message;
  }
  EXPECT_TRUE(c.reload());
  EXPECT_EQ(c.port("a"), 2);
  EXPECT_EQ(c.config->diagnostics().errors(), 0u) << c.config->diagnostics().to_string();
  EXPECT_FALSE(c.config->incomplete());
}

TEST(ConfigFolder, keeps_what_a_folder_below_held_while_that_cannot_be_listed) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.folder.write("upstreams/gloo-system/b.yaml", upstream("b", 1));
  c.open();
  c.folder.write("a.yaml", upstream("a", 2));
  for (const auto locked : {"upstreams/gloo-system", "upstreams"}) {
    std::filesystem::permissions(c.folder.path(locked), std::filesystem::perms(0));
    const BoundByModes like_others;
    c.reload();
    EXPECT_EQ(c.port("a"), 2) << "what can be read is taken in";
    EXPECT_EQ(c.port("b"), 1) << locked;
    EXPECT_TRUE(c.config->incomplete()) << locked;
  }
  for (const auto locked : {"upstreams", "upstreams/gloo-system"})
    std::filesystem::permissions(c.folder.path(locked), std::filesystem::perms(0755));
  c.folder.remove("upstreams/gloo-system/b.yaml");
  c.reload();
  EXPECT_EQ(c.names(), "a");
  EXPECT_FALSE(c.config->incomplete());
}

TEST(ConfigFolder, tries_again_to_watch) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  std::unique_ptr<ConfigFolder> config;
  {
    const NoDescriptors none;
    config = std::move(*ConfigFolder::open(c.store, {c.folder.path()}, {}));
  }
  EXPECT_EQ(config->fd(), -1);
  EXPECT_TRUE(config->incomplete());
  config->reload(kNow);
  EXPECT_GE(config->fd(), 0);
  EXPECT_FALSE(config->incomplete());
  EXPECT_EQ(c.port("a"), 1);
}

TEST(ConfigFolder, does_not_have_an_object_that_never_was_good) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1) + "  nonsense: 1\n");
  c.open();
  EXPECT_EQ(c.names(), "");
  EXPECT_TRUE(c.config->rejected().contains(key("a")));
}

TEST(ConfigFolder, keeps_everything_while_the_folder_is_gone_and_goes_on_when_it_is_back) {
  Configured c;
  c.folder.write("d/a.yaml", upstream("a", 1));
  c.open({c.folder.path("d")});
  c.folder.remove("d");
  EXPECT_TRUE(c.reload());
  EXPECT_EQ(c.port("a"), 1);
  EXPECT_GT(c.config->diagnostics().errors(), 0u);
  const auto refused = c.put(upstream("b", 7));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::denied) << refused.error().message;
  EXPECT_FALSE(c.config->erase(key("a")));
  c.folder.write("d/a.yaml", upstream("a", 2));
  c.reload();
  EXPECT_EQ(c.port("a"), 2);
  EXPECT_EQ(c.config->diagnostics().errors(), 0u) << c.config->diagnostics().to_string();
}

TEST(ConfigFolder, refuses_to_open_what_is_not_there) {
  TestFolder folder;
  ObjectStore store(kNow);
  const auto opened = ConfigFolder::open(store, {folder.path("none")}, {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::not_found);
}

TEST(ConfigFolder, writes_to_the_document_an_object_came_from) {
  Configured c;
  c.folder.write("all.yaml", "# top\n" + upstream("a", 1) + "---\n# about b\n" + upstream("b", 2) + "# the end\n");
  c.open();
  ASSERT_TRUE(c.put(upstream("b", 7)));
  EXPECT_EQ(c.folder.read("all.yaml"),
            "# top\n" + upstream("a", 1) + "---\n# about b\n" + upstream("b", 7) + "# the end\n");
  EXPECT_EQ(c.port("b"), 7);
  EXPECT_FALSE(c.reload());
  ASSERT_TRUE(c.put(upstream("a", 8)));  // its place has moved
  EXPECT_EQ(c.folder.read("all.yaml"),
            "# top\n" + upstream("a", 8) + "---\n# about b\n" + upstream("b", 7) + "# the end\n");
  EXPECT_EQ(c.folder.names(), "all.yaml");
}

TEST(ConfigFolder, puts_a_new_object_into_a_file_of_its_own) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.open();
  ASSERT_TRUE(c.put(upstream("b", 2)));
  EXPECT_EQ(c.folder.names(), "a.yaml upstream.gloo-system.b.yaml");
  EXPECT_EQ(c.port("b"), 2);
  EXPECT_EQ(c.store.find(key("b"))->created, kNow);
  const std::string name(253, 'x');
  ASSERT_TRUE(c.put(upstream(name, 3)));  // the file name would be too long
  EXPECT_EQ(c.port(name), 3);
  EXPECT_FALSE(c.reload());
  Configured again;  // what was written reads back
  again.open({c.folder.path()});
  EXPECT_EQ(again.names(), "a b " + name);
}

TEST(ConfigFolder, removes_the_document_or_the_file) {
  Configured c;
  c.folder.write("all.yaml", upstream("a", 1) + "---\n# about b\n" + upstream("b", 2));
  c.open();
  ASSERT_TRUE(c.config->erase(key("a")));
  EXPECT_EQ(c.names(), "b");
  EXPECT_TRUE(c.folder.read("all.yaml").contains("# about b"));
  EXPECT_FALSE(c.folder.read("all.yaml").contains("name: a"));
  ASSERT_TRUE(c.config->erase(key("b")));
  EXPECT_EQ(c.folder.names(), "");
  EXPECT_EQ(c.config->erase(key("b")).error().kind, ErrorKind::not_found);
  EXPECT_FALSE(c.reload());
}

// One by one, each would read and write the whole file again: thousands of objects took hours.
TEST(ConfigFolder, removes_many_objects_with_one_write_of_each_file) {
  Configured c;
  std::string many, two = upstream("x", 1) + "---\n" + upstream("z", 1);
  std::vector<ObjectKey> all;
  for (int i = 0; i < 2000; ++i) {
    many += (i ? "---\n" : "# kept\n") + upstream(fmt::format("a{}", i), 1);
    if (i % 2) all.push_back(key(fmt::format("a{}", i)));
  }
  c.folder.write("many.yaml", many);
  c.folder.write("two.yaml", two);
  c.folder.write("bad.yaml", "a: [");  // so that all files are read again after each write
  c.open();
  all.push_back(key("x"));
  all.push_back(key("z"));
  const ChangedNames changed(c.folder.path());
  const auto erased = c.config->erase_all(all);
  ASSERT_TRUE(erased) << erased.error().message;
  EXPECT_EQ(changed.seen(), "many.yaml two.yaml") << "each once";
  EXPECT_EQ(c.store.size(), 1000u);
  EXPECT_EQ(c.folder.names(), "bad.yaml many.yaml");
  EXPECT_TRUE(c.folder.read("many.yaml").starts_with("# kept\n"));
  EXPECT_FALSE(c.reload());
  all = {key("a0"), key("none")};
  EXPECT_EQ(c.config->erase_all(all).error().kind, ErrorKind::not_found);
  EXPECT_EQ(c.port("a0"), 1);
}

TEST(ConfigFolder, does_not_write_over_what_changed_on_disk) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.open();
  c.folder.write("a.yaml", upstream("a", 2) + "# edited\n");
  for (const auto& done : {c.put(upstream("a", 3)), c.config->erase(key("a"))}) {
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::conflict);
  }
  EXPECT_EQ(c.folder.read("a.yaml"), upstream("a", 2) + "# edited\n");
  EXPECT_EQ(c.port("a"), 1);
  c.folder.write("upstream.gloo-system.b.yaml", "# somebody else's\n");
  EXPECT_EQ(c.put(upstream("b", 1)).error().kind, ErrorKind::conflict);
  EXPECT_EQ(c.folder.read("upstream.gloo-system.b.yaml"), "# somebody else's\n");
}

TEST(ConfigFolder, follows_the_link_of_a_config_map_mount_and_never_writes_there) {
  Configured c;
  const auto point_to = [&c](std::string_view version, int port) {
    c.folder.write(fmt::format("..{}/a.yaml", version), upstream("a", port));
    std::filesystem::create_directory_symlink(fmt::format("..{}", version), c.folder.path("..data_tmp"));
    std::filesystem::rename(c.folder.path("..data_tmp"), c.folder.path("..data"));
  };
  point_to("one", 1);
  std::filesystem::create_symlink("..data/a.yaml", c.folder.path("a.yaml"));
  c.open();
  EXPECT_EQ(c.port("a"), 1);
  point_to("two", 2);
  pollfd polled{c.config->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&polled, 1, 5000), 1);
  c.config->on_readable(steady_now());
  ASSERT_TRUE(c.config->reload_at());
  EXPECT_TRUE(c.reload());
  EXPECT_EQ(c.port("a"), 2);
  const auto refused = c.put(upstream("a", 3));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::denied);
  EXPECT_TRUE(refused.error().message.contains("ConfigMap")) << refused.error().message;
  EXPECT_EQ(c.port("a"), 2);
}

// Whether the watch sees something that concerns the configuration.
bool notices(Configured& c) {
  for (;;) {
    pollfd polled{c.config->fd(), POLLIN, 0};
    if (::poll(&polled, 1, 0) != 1) return c.config->reload_at().has_value();
    c.config->on_readable(steady_now());
  }
}

// A file that is empty since somebody opened it to write it anew is not the end of what it held.
TEST(ConfigFolder, waits_for_a_file_that_is_being_written) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.folder.write("b.yaml", upstream("b", 1));
  c.open();
  std::ofstream writer(c.folder.path("a.yaml"), std::ios::trunc);
  c.folder.write("b.yaml", upstream("b", 2));
  c.reload();
  EXPECT_EQ(c.port("a"), 1);
  EXPECT_EQ(c.port("b"), 2);
  EXPECT_TRUE(c.config->incomplete());
  EXPECT_TRUE(c.config->diagnostics().to_string().contains("a.yaml is open for writing in another program"))
      << c.config->diagnostics().to_string();
  writer << upstream("a", 3);
  writer.close();
  EXPECT_TRUE(notices(c));
  c.reload();
  EXPECT_EQ(c.port("a"), 3);
  EXPECT_FALSE(c.config->incomplete());
}

// Moved during a scan, a file would be seen at neither name.
TEST(ConfigFolder, loses_nothing_that_is_moved_while_it_reads) {
  Configured c;
  for (int i = 0; i < 60; ++i) c.folder.write(fmt::format("m{}.yaml", i), upstream(fmt::format("m{}", i), 1));
  c.folder.write("a.yaml", upstream("a", 1));
  c.open();
  std::atomic<bool> done = false;
  std::thread mover([&] {
    while (!done) {
      std::filesystem::rename(c.folder.path("a.yaml"), c.folder.path("z.yaml"));
      std::filesystem::rename(c.folder.path("z.yaml"), c.folder.path("a.yaml"));
    }
  });
  for (int i = 0; i < 60; ++i) {
    c.reload();
    EXPECT_NE(c.store.find(key("a")), nullptr);
  }
  done = true;
  mover.join();
  c.reload();
  EXPECT_FALSE(c.config->incomplete());
  c.folder.remove("a.yaml");
  c.reload();
  EXPECT_EQ(c.store.find(key("a")), nullptr);
}

TEST(ConfigFolder, keeps_what_a_link_to_a_folder_held_while_that_is_away_and_follows_it) {
  Configured c;
  c.folder.write("git/one/a.yaml", upstream("a", 1));
  c.folder.write("git/two/a.yaml", upstream("a", 2));
  c.folder.write("git/three/x.yaml", upstream("b", 3));
  std::filesystem::create_directory_symlink("one", c.folder.path("git/current"));
  std::filesystem::create_directories(c.folder.path("conf"));
  std::filesystem::create_directory_symlink(c.folder.path("git/current"), c.folder.path("conf/team"));
  std::filesystem::create_symlink(c.folder.path("git/three/x.yaml"), c.folder.path("conf/b.yaml"));
  c.open({c.folder.path("conf")});
  EXPECT_EQ(c.names(), "a b") << c.config->diagnostics().to_string();
  const auto point_to = [&c](std::string_view link, std::string_view to) {
    std::filesystem::create_directory_symlink(to, c.folder.path("new"));
    std::filesystem::rename(c.folder.path("new"), c.folder.path(link));
  };
  point_to("git/current", "two");
  EXPECT_TRUE(notices(c));
  c.reload();
  EXPECT_EQ(c.port("a"), 2);
  c.folder.write("git/three/x.yaml", upstream("b", 4));
  EXPECT_TRUE(notices(c)) << "the target of a link to a file";
  c.reload();
  EXPECT_EQ(c.port("b"), 4);
  point_to("git/current", "none");
  EXPECT_TRUE(notices(c));
  c.reload();
  EXPECT_EQ(c.port("a"), 2) << "it is away";
  EXPECT_TRUE(c.config->incomplete());
  EXPECT_TRUE(c.config->gaps().empty()) << "what it held is in force";
  point_to("conf/team", c.folder.path("git/one"));
  EXPECT_TRUE(notices(c)) << "a link in the folder itself";
  c.reload();
  EXPECT_EQ(c.port("a"), 1);
  EXPECT_FALSE(c.config->incomplete());
  std::filesystem::create_symlink("nowhere", c.folder.path("conf/other"));
  c.reload();
  EXPECT_EQ(c.config->gaps().size(), 1U) << "never seen";
}

// What the control plane does: reloads as long as there is something to see.
void settle(Configured& c) {
  for (int i = 0; i < 100 && (c.config->incomplete() || notices(c)); ++i) c.reload();
}

TEST(ConfigFolder, loses_no_change_made_while_it_reads) {
  Configured c;
  for (int i = 0; i < 60; ++i) c.folder.write(fmt::format("m{}.yaml", i), upstream(fmt::format("m{}", i), 1));
  c.open();
  for (int round = 0; round < 10; ++round) {
    std::thread writer([&] {
      for (int i = 0; i < 40; ++i) c.folder.write("a.yaml", upstream("a", 1 + i));
      c.folder.write("a.yaml", upstream("a", 100 + round));
      c.folder.write(fmt::format("new{}.yaml", round), upstream(fmt::format("new{}", round), 1));
    });
    for (int i = 0; i < 3; ++i) c.reload();
    writer.join();
    settle(c);
    EXPECT_EQ(c.port("a"), 100 + round);
    EXPECT_EQ(c.port(fmt::format("new{}", round)), 1);
  }
}

TEST(ConfigFolder, watches_a_folder_that_comes_while_it_looks) {
  Configured c;
  for (int i = 0; i < 100; ++i) std::filesystem::create_directory(c.folder.path(fmt::format("f{}", i)));
  c.open();
  for (int round = 0; round < 10; ++round) {
    const std::string made = fmt::format("z{}/sub", round);
    std::thread maker([&] { std::filesystem::create_directories(c.folder.path(made)); });
    c.reload();
    maker.join();
    settle(c);
    c.folder.write(made + "/a.yaml", upstream(fmt::format("a{}", round), 1));
    EXPECT_TRUE(notices(c));
    c.reload();
    EXPECT_EQ(c.port(fmt::format("a{}", round)), 1);
  }
}

TEST(ConfigFolder, takes_no_patch_for_an_object_while_its_kustomization_is_broken) {
  Configured c;
  c.folder.write("base/u.yaml", upstream("u", 1));
  c.folder.write("a/p.yaml", upstream("u", 2));
  c.folder.write("a/kustomization.yaml", "patches: [{path: p.yaml}]\n");
  c.open({c.folder.path() + "/."});
  EXPECT_EQ(c.port("u"), 1);
  c.folder.write("a/kustomization.yaml", "patches: [{path: p.yaml}\n");
  c.reload();
  EXPECT_EQ(c.port("u"), 1);
  std::ofstream writer(c.folder.path("a/kustomization.yaml"), std::ios::trunc);
  c.reload();
  EXPECT_EQ(c.port("u"), 1);
}

TEST(ConfigFolder, follows_what_two_dots_mean_behind_a_link) {
  Configured c;
  c.folder.write("real/deep/x.yaml", "");
  c.folder.write("real/b.yaml", upstream("b", 1));
  c.folder.write("conf/a.yaml", upstream("a", 1));
  std::filesystem::create_directory_symlink("../real/deep", c.folder.path("conf/link"));
  std::filesystem::create_symlink("link/../b.yaml", c.folder.path("conf/b.yaml"));
  c.open({c.folder.path("conf")});
  EXPECT_EQ(c.names(), "a b");
  EXPECT_FALSE(notices(c));
  c.folder.write("real/b.yaml", upstream("b", 2));
  EXPECT_TRUE(notices(c));
}

TEST(ConfigFolder, counts_no_folder_twice_for_its_limits) {
  Configured c;
  for (unsigned i = 0; i + 2 < FolderScan::kFoldersMax; ++i)
    std::filesystem::create_directory(c.folder.path(fmt::format("{}", i)));
  std::filesystem::create_directory_symlink("1", c.folder.path("zz"));
  c.folder.write("zzz/a.yaml", upstream("a", 1));
  c.open();
  EXPECT_EQ(c.names(), "a") << c.config->diagnostics().to_string();
  EXPECT_EQ(c.config->diagnostics().errors(), 0U) << c.config->diagnostics().to_string();
}

TEST(ConfigFolder, makes_a_file_for_a_secret_that_only_its_user_may_read) {
  Configured c;
  c.open();
  ASSERT_TRUE(c.put("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n"));
  EXPECT_EQ(std::filesystem::status(c.folder.path("secret.gloo-system.s.yaml")).permissions(),
            std::filesystem::perms(0600));
}

TEST(ConfigFolder, does_without_the_names_of_folders_above_that_may_not_be_listed) {
  Configured c;
  c.folder.write("home/conf/a.yaml", upstream("a", 1));
  std::filesystem::permissions(c.folder.path(), std::filesystem::perms(0311));  // to enter, not to list
  const BoundByModes like_others;
  c.open({c.folder.path("home/conf")});
  EXPECT_FALSE(c.config->incomplete());
  std::filesystem::permissions(c.folder.path(), std::filesystem::perms(0755));
}

TEST(ConfigFolder, notices_that_a_folder_above_it_was_exchanged) {
  Configured c;
  c.folder.write("app/etc/s/c/a.yaml", upstream("a", 1));
  c.folder.write("new/etc/s/c/a.yaml", upstream("a", 2));
  c.open({c.folder.path("app/etc/s/c")});
  EXPECT_FALSE(notices(c));
  std::filesystem::rename(c.folder.path("app"), c.folder.path("old"));
  std::filesystem::rename(c.folder.path("new"), c.folder.path("app"));
  EXPECT_TRUE(notices(c));
  c.reload();
  EXPECT_EQ(c.port("a"), 2);
  c.folder.write("app/etc/s/c/a.yaml", upstream("a", 3));
  EXPECT_TRUE(notices(c));
}

// One load for all: one for each file took hours for thousands.
TEST(ConfigFolder, removes_objects_of_many_files_with_one_load) {
  Configured c;
  std::vector<ObjectKey> all;
  for (int i = 0; i < 300; ++i) {
    c.folder.write(fmt::format("f{}.yaml", i), upstream(fmt::format("a{}", i), 1));
    all.push_back(key(fmt::format("a{}", i)));
  }
  c.folder.write("bad.yaml", "a: [");
  c.open();
  const uint64_t version = c.store.version();
  ASSERT_TRUE(c.config->erase_all(all));
  EXPECT_EQ(c.store.size(), 0U);
  EXPECT_EQ(c.store.version(), version + 300);
  EXPECT_EQ(c.folder.names(), "bad.yaml");
}

TEST(ConfigFolder, notices_changes_that_matter) {
  Configured c;
  c.folder.write("d/a.yaml", upstream("a", 1));
  c.open({c.folder.path("d")});
  EXPECT_FALSE(notices(c));
  c.folder.write("d/.a.yaml.swp", "x");
  c.folder.write("d/a.yaml~", "x");
  c.folder.write("d/4913", "x");
  c.folder.write("other.yaml", "x");
  EXPECT_FALSE(notices(c));
  c.folder.write("d/a.yaml", upstream("a", 2));
  EXPECT_TRUE(notices(c));
  c.reload();
  EXPECT_EQ(c.port("a"), 2);
  c.folder.write("new", upstream("a", 3));
  std::filesystem::rename(c.folder.path("new"), c.folder.path("d/a.yaml"));
  EXPECT_TRUE(notices(c));
  c.reload();
  EXPECT_EQ(c.port("a"), 3);
  c.folder.remove("d");
  EXPECT_TRUE(notices(c));
  c.reload();
  c.folder.write("d/a.yaml", upstream("a", 4));
  EXPECT_TRUE(notices(c));
  c.reload();
  EXPECT_EQ(c.port("a"), 4);
  c.folder.write("d/a.yaml", upstream("a", 5));
  EXPECT_TRUE(notices(c));
}

TEST(ConfigFolder, waits_until_it_is_quiet_but_not_for_ever) {
  Configured c;
  c.open();
  const SteadyTime start = steady_now();
  c.folder.write("a.yaml", upstream("a", 1));
  c.config->on_readable(start);
  EXPECT_EQ(c.config->reload_at(), start + ConfigFolder::kQuietFor);
  c.folder.write("a.yaml", upstream("a", 2));
  c.config->on_readable(start + 20ms);
  EXPECT_EQ(c.config->reload_at(), start + 20ms + ConfigFolder::kQuietFor);
  c.folder.write("a.yaml", upstream("a", 3));
  c.config->on_readable(start + 999ms);
  EXPECT_EQ(c.config->reload_at(), start + ConfigFolder::kWaitMax);
}

TEST(ConfigFolder, takes_one_file_and_writes_new_objects_nowhere_then) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.folder.write("b.yaml", upstream("b", 1));
  c.open({c.folder.path("a.yaml")});
  EXPECT_EQ(c.names(), "a");
  EXPECT_TRUE(c.put(upstream("a", 2)));
  EXPECT_EQ(c.put(upstream("c", 2)).error().kind, ErrorKind::denied);
  c.folder.write("a.yaml", upstream("a", 3));
  EXPECT_TRUE(notices(c));
}

TEST(ConfigFolder, refuses_a_file_that_is_too_large_and_keeps_its_objects) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.open();
  c.folder.write("a.yaml", upstream("a", 2) + std::string(kConfigFileBytesMax, '#'));
  const SteadyTime start = steady_now();
  c.reload();
  EXPECT_LT(steady_now() - start, 2s);
  EXPECT_EQ(c.port("a"), 1);
  EXPECT_GT(c.config->diagnostics().errors(), 0u);
}

// A writer that is killed at any moment: what it said was done is there, and no half file is.
TEST(ConfigFolder, loses_no_acknowledged_write_when_killed) {
  const TestFolder folder;
  folder.write("all.yaml", upstream("a", 1) + "---\n" + upstream("b", 2));
  int acknowledged = 1;
  for (int round = 0; round < 12; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ObjectStore store(kNow);
      auto config = ConfigFolder::open(store, {folder.path()}, {});
      if (!config) ::_exit(1);
      (*config)->reload(kNow);
      for (int port = acknowledged + 1;; port = port % 60000 + 1) {
        Diagnostics diagnostics;
        auto object = read_object(parse_documents(upstream("a", port))->at(0).node, "", {}, diagnostics);
        if (!(*config)->put(object, kNow)) ::_exit(2);
        if (::write(pipe[1], &port, sizeof(port)) != sizeof(port)) ::_exit(3);
      }
    }
    ::close(pipe[1]);
    for (int i = 0; i <= round % 4; ++i)
      ASSERT_EQ(::read(pipe[0], &acknowledged, sizeof(acknowledged)), static_cast<ssize_t>(sizeof(acknowledged)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    int last = 0;
    while (::read(pipe[0], &last, sizeof(last)) == sizeof(last)) acknowledged = last;
    ::close(pipe[0]);

    Configured c;
    c.open({folder.path()});
    EXPECT_GE(c.port("a"), acknowledged);  // at most one write more than was said
    EXPECT_LE(c.port("a"), acknowledged + 1);
    EXPECT_EQ(c.port("b"), 2);
    EXPECT_EQ(c.config->diagnostics().errors(), 0u) << c.config->diagnostics().to_string();
    EXPECT_EQ(folder.names(), "all.yaml");
    acknowledged = static_cast<int>(c.port("a"));
  }
}

}  // namespace
}  // namespace sluice
