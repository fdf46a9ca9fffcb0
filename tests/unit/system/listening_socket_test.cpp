#include "system/listening_socket.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcurfew {
namespace {

namespace fs = std::filesystem;

struct Directory {
  Directory() {
    std::string pattern = (fs::temp_directory_path() / "pgcurfew-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Directory() { fs::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] ListenAddress at(const std::string& name) const {
    ListenAddress address;
    address.path = (path / name).string();
    return address;
  }
  fs::path path;
};

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 ? status.st_mode : 0;
}

TEST(ListeningSocket, IsForItsOwnerAndItsGroupAndGoesWithIt) {
  const Directory directory;
  const auto before = umask(0077);
  {
    const auto socket = ListeningSocket::open(directory.at("web.sock"));
    ASSERT_TRUE(socket) << socket.error().message;
    EXPECT_EQ(mode_of(directory.path / "web.sock"), mode_t{S_IFSOCK | 0660});
  }
  umask(before);
  EXPECT_FALSE(fs::exists(directory.path / "web.sock"));
}

TEST(ListeningSocket, WhatAProcessHasLeftBehindIsReplacedAndNothingElse) {
  const Directory directory;
  const auto address = directory.at("web.sock");
  {
    auto left = *ListeningSocket::open(address);
    EXPECT_FALSE(ListeningSocket::open(address)) << "in use";
    fs::rename(address.path, address.path + ".left");
    close(left->take());
  }
  fs::rename(address.path + ".left", address.path);
  EXPECT_TRUE(ListeningSocket::open(address));
  std::ofstream(address.path) << "precious";
  EXPECT_FALSE(ListeningSocket::open(address));
  fs::create_symlink(address.path, directory.path / "link");
  EXPECT_FALSE(ListeningSocket::open(directory.at("link")));
  EXPECT_EQ(fs::file_size(address.path), 8U);
}

TEST(ListeningSocket, LeavesASocketThatHasTakenItsPlace) {
  const Directory directory;
  const auto address = directory.at("web.sock");
  auto first = *ListeningSocket::open(address);
  fs::remove(address.path);
  const auto second = ListeningSocket::open(address);
  ASSERT_TRUE(second);
  first.reset();
  EXPECT_TRUE(fs::exists(address.path));
}

TEST(ListeningSocket, SaysWhyItCannot) {
  const Directory directory;
  const auto none = ListeningSocket::open(directory.at("none/web.sock"));
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("No such file"), std::string::npos);
  fs::create_directory_symlink(directory.path, directory.path / "linked");
  EXPECT_FALSE(ListeningSocket::open(directory.at("linked/web.sock")));
}

}  // namespace
}  // namespace pgcurfew
