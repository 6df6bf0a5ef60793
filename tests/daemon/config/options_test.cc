// SPDX-License-Identifier: MIT
#include "daemon/config/options.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>

#include "daemon/config/option_key.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using testing::HasSubstr;

class OptionsTest : public testing::Test {
 protected:
  std::expected<Options, int> parse(std::initializer_list<const char*> arguments) {
    return parse_options(std::vector<const char*>(arguments), {config(), out_, err_});
  }

  /// Makes `text` the default configuration file.
  void write_config(const std::string& text) { std::ofstream(config()) << text; }

  std::expected<Options, int> parse_config(const std::string& text) {
    write_config(text);
    return parse({});
  }

  std::expected<Options, int> check_on_host(const std::string& text) {
    write_config(text);
    const char* const check = "--check-config";
    return parse_options(std::span(&check, 1),
                         {config(), out_, err_, LogReader::terminal, /*checks_host=*/true});
  }

  std::expected<Options, int> start(const std::string& text) {
    write_config(text);
    return parse_options({}, {config(), out_, err_, LogReader::terminal, true, &problems_});
  }

  std::filesystem::path run_dir() const { return directory_.path() / "run"; }

  std::string config() const { return directory_.path() / "tapringd.toml"; }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  TemporaryDirectory directory_;
  std::ostringstream out_;
  std::ostringstream err_;
  std::vector<std::string> problems_;
};

TEST_F(OptionsTest, NothingSaidGivesTheDefaults) {
  EXPECT_EQ(parse({}), Options{});
  EXPECT_EQ(out() + err(), "");
}

// A field added to Options stops this from compiling until it is a key, too.
TEST_F(OptionsTest, EveryFieldIsAKeyAndInTheHelp) {
  Options options;
  const auto& [run_dir, kinds, image_directories, plain_lines, named_files, named_file_directories,
               log_level, isolation, sandbox, lock_wait_seconds, max_disks, core_dumps, on_no_space,
               on_io_error, pause_limit_seconds, workers, worker_cpus, arena_mebibytes,
               map_cache_kibibytes, poll_microseconds, max_queues, max_ring_page_order,
               max_indirect_segments, max_persistent_grants] = options;
  const std::set<const void*> fields{&run_dir,
                                     &kinds,
                                     &image_directories,
                                     &plain_lines,
                                     &log_level,
                                     &isolation,
                                     &sandbox,
                                     &lock_wait_seconds,
                                     &on_no_space,
                                     &on_io_error,
                                     &pause_limit_seconds,
                                     &workers,
                                     &worker_cpus,
                                     &arena_mebibytes,
                                     &map_cache_kibibytes,
                                     &poll_microseconds,
                                     &max_queues,
                                     &max_ring_page_order,
                                     &max_indirect_segments,
                                     &max_persistent_grants,
                                     &max_disks,
                                     &core_dumps,
                                     &named_files,
                                     &named_file_directories};
  std::set<const void*> found;
  EXPECT_EQ(parse({"--help"}), std::unexpected(0));
  for (const OptionKey& key : option_keys()) {
    found.insert(std::visit(
        [&](const auto& typed) -> const void* { return &(options.*typed.field); }, key.field));
    EXPECT_THAT(out(), HasSubstr(key.flag() + " ")) << key.name;
  }
  EXPECT_EQ(found, fields);
}

TEST_F(OptionsTest, TheFileOverridesTheDefaults) {
  const auto options = parse_config(
      "run_dir = '/run/other/'\n"
      "kinds = ['qdisk', 'vbd']\n"
      "image_directories = ['/srv/xen', '/opt/../var']\n"
      "log_level = 'debug'\n"
      "workers = 3\n");
  ASSERT_TRUE(options) << err();
  EXPECT_EQ(options->run_dir, "/run/other");
  EXPECT_EQ(options->kinds, (std::vector<std::string>{"qdisk", "vbd"}));
  EXPECT_EQ(options->image_directories, (std::vector<std::filesystem::path>{"/srv/xen", "/var"}));
  EXPECT_EQ(options->log_level, LogLevel::debug);
  EXPECT_EQ(options->workers, 3U);
  EXPECT_EQ(options->arena_mebibytes, Options{}.arena_mebibytes);
}

TEST_F(OptionsTest, TheCommandLineOverridesTheFile) {
  write_config("workers = 3\nmax_queues = 2\nimage_directories = ['/srv']\n");
  const auto options = parse({"--workers", "4", "--kinds=vbd,qdisk", "--image-directories="});
  ASSERT_TRUE(options) << err();
  EXPECT_EQ(options->workers, 4U);
  EXPECT_EQ(options->max_queues, 2U);
  EXPECT_EQ(options->kinds, (std::vector<std::string>{"vbd", "qdisk"}));
  EXPECT_TRUE(options->image_directories.empty());
}

TEST_F(OptionsTest, AMissingNamedFileIsRefused) {
  EXPECT_EQ(parse({"--config", "/nonexistent.toml"}), std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("/nonexistent.toml: cannot be read: No such file or directory"));
}

TEST_F(OptionsTest, AnUnreadableFileIsRefused) {
  EXPECT_EQ(parse({"--config", "/"}), std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("/: cannot be read: Is a directory"));
}

TEST_F(OptionsTest, AnUnknownKeyIsRefusedWithThoseThatThereAre) {
  EXPECT_EQ(parse_config("\nworker = 3\n"), std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("tapringd.toml:2: there is no key worker; the keys are run_dir, "));
}

TEST_F(OptionsTest, AWrongValueIsRefusedWithFileLineKeyAndRemedy) {
  EXPECT_EQ(parse_config("log_level = 'info'\nworkers = 'many'\n"), std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("tapringd.toml:2: workers = 'many': must be a whole number from 0 "
                               "to 64\n"));
}

TEST_F(OptionsTest, EveryProblemIsNamedAtOnce) {
  write_config("workers = -1\nkinds = []\n");
  EXPECT_EQ(parse({"--log-level", "loud"}), std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("workers = -1"));
  EXPECT_THAT(err(), HasSubstr("kinds = []: must be a list of at least one of vbd, vbd3, qdisk"));
  EXPECT_THAT(err(), HasSubstr("command line: --log-level loud: must be one of trace, debug, "));
}

TEST_F(OptionsTest, WhatIsNotTomlIsRefusedWithItsLine) {
  EXPECT_EQ(parse_config("workers = 1\nkinds = [\n"), std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("tapringd.toml:2: is not TOML: "));
}

TEST_F(OptionsTest, WhatTheTomlParserQuotesReachesNoTerminalAsItIs) {
  EXPECT_EQ(parse_config("workers =i\t[]\n"), std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("is not TOML: "));
  EXPECT_THAT(err(), testing::Not(HasSubstr("\t")));
}

TEST_F(OptionsTest, ValuesOutOfTheirBoundsAreRefused) {
  for (const char* text : {"kinds = ['vbd', 'vbd']",
                           "kinds = ['tap']",
                           "kinds = 'vbd'",
                           "kinds = [1]",
                           "run_dir = 'relative'",
                           "run_dir = ''",
                           "image_directories = ['/a', 'b']",
                           "max_ring_page_order = 5",
                           "max_indirect_segments = 257",
                           "arena_mebibytes = 0",
                           "max_persistent_grants = 8193",
                           "workers = 1.5",
                           "workers = 4294967296",
                           "lock_wait_seconds = true",
                           "log_level = 'off'",
                           "max_disks = 0",
                           "core_dumps = 'some'",
                           "named_files = 'all'",
                           "named_file_directories = ['b']",
                           "[performance]\nworkers = 1",
                           "on_no_space = 'stop'",
                           "plain_lines = 'keep'",
                           "on_io_error = true",
                           "pause_limit_seconds = 604801",
                           "worker_cpus = [1]",
                           "worker_cpus = ['2-1']"}) {
    EXPECT_EQ(parse_config(text), std::unexpected(2)) << text;
  }
}

TEST_F(OptionsTest, ThereIsAWorkerForEachEntryOfItsCpus) {
  const auto options = parse({"--worker-cpus", "0,1,2-5,3,4,5"});
  ASSERT_TRUE(options) << err();
  EXPECT_EQ(options->worker_count(), 6U);
  EXPECT_EQ(parse({"--worker-cpus", "0,1", "--workers", "5"})->worker_count(), 5U);
}

TEST_F(OptionsTest, AnUnknownArgumentIsRefused) {
  EXPECT_EQ(parse({"--wrokers", "1"}), std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("--wrokers"));
  EXPECT_THAT(err(), HasSubstr("tapringd --help"));
}

TEST_F(OptionsTest, NumbersOfTheCommandLineAreWholeNumbers) {
  for (const char* text : {"", "1x", "0x1", "-1", " 1", "99999999999999999999"}) {
    EXPECT_FALSE(parse({"--workers", text})) << text;
  }
}

TEST_F(OptionsTest, CheckConfigSaysByItsCodeWhetherTheFileIsRight) {
  EXPECT_EQ(parse({"--check-config"}), std::unexpected(0));
  write_config("nonsense = 1\n");
  EXPECT_EQ(parse({"--check-config"}), std::unexpected(2));
}

TEST_F(OptionsTest, CheckConfigLooksWhetherThisHostHasTheCpus) {
  EXPECT_EQ(check_on_host("worker_cpus = ['0']\n"), std::unexpected(0)) << err();
  EXPECT_EQ(check_on_host("worker_cpus = ['0', '1022-1023']\n"), std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("CPU 1022-1023"));
}

TEST_F(OptionsTest, CheckConfigWarnsOfDirectoriesOfImagesThatAreNotThere) {
  const std::string here = directory_.path().string();
  EXPECT_EQ(check_on_host(fmt::format("image_directories = ['{}']\n", here)), std::unexpected(0));
  EXPECT_EQ(err(), "");
  EXPECT_EQ(check_on_host(fmt::format("image_directories = ['{0}/none', '{0}/tapringd.toml']\n"
                                      "named_file_directories = ['{0}/nowhere']\n",
                                      here)),
            std::unexpected(0));
  EXPECT_THAT(err(), HasSubstr("warning: image_directories: " + here + "/none is not there"));
  EXPECT_THAT(err(), HasSubstr(here + "/tapringd.toml is no directory"));
  EXPECT_THAT(err(), HasSubstr("warning: named_file_directories: " + here + "/nowhere"));
}

TEST_F(OptionsTest, CheckConfigRefusesARunDirThatCannotBe) {
  const std::string here = directory_.path().string();
  EXPECT_EQ(check_on_host(fmt::format("run_dir = '{}/made/later'\n", here)), std::unexpected(0));
  EXPECT_EQ(check_on_host(fmt::format("run_dir = '{}/tapringd.toml/run'\n", here)),
            std::unexpected(2));
  EXPECT_THAT(err(), HasSubstr("run_dir = " + here + "/tapringd.toml/run: " + here +
                               "/tapringd.toml is no directory"));
}

TEST_F(OptionsTest, TheJournalIsToldThatAWrongConfigurationIsAnError) {
  write_config("max_disk = 5\n");
  const OptionStreams streams{config(), out_, err_, LogReader::journal};
  EXPECT_EQ(parse_options({}, streams), std::unexpected(2));
  EXPECT_THAT(err(), testing::StartsWith("<3>tapringd: "));
}

TEST_F(OptionsTest, AStartWithAWrongConfigurationGoesOnWithTheLastOneWhileDisksWait) {
  Options last;
  last.run_dir = run_dir();
  last.max_disks = 77;
  last.worker_cpus = {{4, 7}};
  std::filesystem::create_directories(run_dir() / "journal");
  keep_for_next_start(last);
  const std::string wrong = fmt::format("run_dir = '{}'\nmax_disk = 5\n", run_dir().string());
  EXPECT_EQ(start(wrong), std::unexpected(2)) << "nobody waits";
  std::ofstream(run_dir() / "journal" / "vbd-1-51712.0").close();
  EXPECT_EQ(start(wrong), last);
  EXPECT_THAT(problems_, testing::ElementsAre(HasSubstr("tapringd --check-config")));
  EXPECT_THAT(err(), HasSubstr("max_disk"));
  EXPECT_EQ(parse({"--check-config"}), std::unexpected(2));
}

TEST_F(OptionsTest, AStartWithARightConfigurationUsesThatOne) {
  Options last;
  last.run_dir = run_dir();
  last.max_disks = 77;
  std::filesystem::create_directories(run_dir() / "journal");
  std::ofstream(run_dir() / "journal" / "vbd-1-51712.0").close();
  keep_for_next_start(last);
  const auto options = start(fmt::format("run_dir = '{}'\n", run_dir().string()));
  ASSERT_TRUE(options) << err();
  EXPECT_EQ(options->max_disks, Options{}.max_disks);
  EXPECT_THAT(problems_, testing::IsEmpty());
}

TEST_F(OptionsTest, AReloadTakesWhatIsLiveAndNamesTheRest) {
  Options running;
  Options wanted;
  wanted.image_directories = {"/srv"};
  wanted.log_level = LogLevel::debug;
  wanted.workers = 3;
  wanted.kinds = {"vbd"};
  EXPECT_THAT(take_live(running, wanted), testing::ElementsAre("kinds", "workers"));
  EXPECT_EQ(running.image_directories, wanted.image_directories);
  EXPECT_EQ(running.log_level, LogLevel::debug);
  EXPECT_EQ(running.workers, Options{}.workers);
  EXPECT_EQ(running.kinds, Options{}.kinds);
}

TEST_F(OptionsTest, WhatDumpConfigPrintsReadsBackTheSame) {
  EXPECT_EQ(parse({"--dump-config", "--workers=7", "--image-directories=/a b,/c'\"d",
                   "--worker-cpus=3,4-7", "--core-dumps=none", "--named-files=listed",
                   "--named-file-directories=/d"}),
            std::unexpected(0));
  const auto options = parse_config(out());
  ASSERT_TRUE(options) << err();
  Options expected;
  expected.workers = 7;
  expected.image_directories = {"/a b", "/c'\"d"};
  expected.worker_cpus = {{3, 3}, {4, 7}};
  expected.core_dumps = CoreDumps::none;
  expected.named_files = NamedFiles::listed;
  expected.named_file_directories = {"/d"};
  EXPECT_EQ(*options, expected);
}

TEST_F(OptionsTest, VersionNamesCompilerAndLiburing) {
  EXPECT_EQ(parse({"--version"}), std::unexpected(0));
  EXPECT_THAT(out(), testing::ContainsRegex("^tapringd [0-9.]+ \\((g\\+\\+|clang) .*liburing 2"));
}

TEST_F(OptionsTest, ZeroMeansAsManyAsThereAreCpusUpToABound) {
  Options options;
  EXPECT_GE(options.worker_count(), 1U);
  EXPECT_LE(options.worker_count(), 4U);
  EXPECT_LE(options.queue_limit(), 8U);
  options.workers = 9;
  EXPECT_EQ(options.worker_count(), 9U);
}

}  // namespace
}  // namespace tapring
