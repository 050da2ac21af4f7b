"""What a hostile repository would have git run beside what is listed is listed, or does not run."""

from __future__ import annotations

import pytest

from opcode_htmx.lib.git.commands import commits, conflicts, programs, remotes, staging
from opcode_htmx.lib.git.integration import merges
from opcode_htmx.lib.git.listing import pushed_to, settings
from opcode_htmx.lib.git.policy import RUNNING, WRITING, Policy
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.repo import Repo
from tests.lib.git.commands.unlisted.programs import conflict, log, program


def listed(repo: Repo, *acts: programs.Act, remote: str = "") -> list[tuple[str, str, str]]:
    found = programs.of(repo.git(), *acts, remote=remote).found
    return [(each.kind, each.name, each.command) for each in found]


def test_a_merge_driver_without_a_name_is_one(repo: Repo) -> None:
    with (repo.top / ".git/config").open("a") as config:
        config.write(f'[merge ""]\n\tdriver = {program(repo, "driver")}\n')
    repo.write(".gitattributes", "a merge=\n")
    repo.commit()
    for branch, text in (("other", "1\n2\ntheirs\n"), ("main", "one\n2\n3\n")):
        repo.plain("switch", "-q", *(["-c"] if branch == "other" else []), branch)
        repo.write("a", text)
        repo.commit()
    assert listed(repo, "merge") == [("merge driver", "", program(repo, "driver"))]
    repo.plain("merge", "-q", "other", check=False)
    assert log(repo).read_text() == "driver\n", "git runs it"
    log(repo).unlink()
    repo.plain("reset", "-q", "--hard", "ORIG_HEAD", check=False)
    repo.plain("merge", "--abort", check=False)
    merges.merge(repo.git(), "main", "other", merges.Way.MERGE, "x", [])
    assert not log(repo).exists()
    assert repo.plain("show", "main:a") == b"one\n2\ntheirs\n"


@pytest.mark.parametrize("policy", [WRITING, RUNNING], ids=["writing", "running"])
@pytest.mark.parametrize("verb", ["rebase", "cherry-pick", "merge"])
def test_going_on_converts_no_file_to_text(repo: Repo, verb: str, policy: Policy) -> None:
    repo.write(".gitattributes", "a diff=own\n")
    repo.commit()
    repo.set("commit.verbose", "true")
    repo.set("diff.own.textconv", f"{program(repo, 'text')}; cat")
    conflict(repo, verb)
    log(repo).unlink(missing_ok=True)
    assert listed(repo, "continue") == []
    conflicts.go_on(repo.git(policy), verb)
    assert not log(repo).exists()


def test_the_last_program_for_signing_is_listed(repo: Repo) -> None:
    for name in ("good", "evil"):
        path = repo.top.parent / name
        path.write_text(f"#!/bin/sh\n{program(repo, name)}\nexit 1\n")
        path.chmod(0o755)
    repo.plain("config", "--global", "commit.gpgSign", "true")
    repo.plain("config", "--global", "gpg.openpgp.program", str(repo.top.parent / "good"))
    repo.set("gpg.program", str(repo.top.parent / "evil"))
    (found,) = programs.of(repo.git(), "commit").found
    assert (found.command, found.of_repository) == (str(repo.top.parent / "evil"), True)
    repo.write("a", "x\n")
    staging.stage_files(repo.git(), repo.state().unstaged)
    with pytest.raises(GitFailed, match="failed to sign"):
        commits.commit(repo.git(RUNNING), "x")
    assert log(repo).read_text() == "evil\n"
    repo.set("gpg.format", "ssh")
    assert listed(repo, "commit") == [("signing", "ssh", "ssh-keygen")], "no other one signs so"


@pytest.mark.parametrize("form", ["%(prefix)/..{}", ":(optional){}"])
def test_a_folder_of_hooks_that_only_git_finds_is_refused(repo: Repo, form: str) -> None:
    repo.write("mine/pre-commit", "#!/bin/sh\n").chmod(0o755)
    repo.set("core.hooksPath", form.format(repo.top / "mine"))
    with pytest.raises(GitFailed, match="cannot be looked through"):
        programs.of(repo.git(), "commit")


def test_settings_that_say_who_gets_a_login_are_listed(repo: Repo) -> None:
    repo.remote("https://x.example/a")
    for key, value in (
        ("http.proxy", "http://me:secret@evil.example:3128"),
        ("http.https://x.example.sslVerify", "false"),
        ("http.extraHeader", "Authorization: Basic secret"),
        ("http.postBuffer", "1000"),
        ("remote.origin.proxy", "http://evil.example"),
        ("remote.other.proxy", "http://other.example"),
    ):
        repo.set(key, value)
    repo.plain("config", "--global", "http.sslCAInfo", "of the person")
    for act in ("fetch", "push"):
        assert set(listed(repo, act, remote="origin")) == {
            ("connection", "http.proxy", "http://***@evil.example:3128"),
            ("connection", "http.https://x.example.sslverify", "false"),
            ("connection", "http.extraheader", "…"),
            ("connection", "remote.origin.proxy", "http://evil.example"),
        }
    assert listed(repo, "commit") == []
    before = programs.of(repo.git(), "fetch", remote="origin").digest
    repo.plain("config", "http.extraHeader", "Authorization: Basic another")
    assert programs.of(repo.git(), "fetch", remote="origin").digest != before


@pytest.mark.parametrize("last", ["proxy", "extraHeader"])
def test_a_login_in_the_name_of_a_setting_is_not_shown(repo: Repo, last: str) -> None:
    repo.remote("https://example.com/a")
    digests = set[str]()
    for word in ("s3cret", "another"):
        key = f"http.https://me:{word}@example.com/.{last}"
        repo.set(key, "http://evil.example")
        shown = f"http.https://***@example.com/.{last.lower()}"
        value = "…" if last == "extraHeader" else "http://evil.example"
        assert listed(repo, "push", remote="origin") == [("connection", shown, value)]
        assert programs.who_reads_logins(repo.git()) == shown
        digests.add(programs.of(repo.git(), "push", remote="origin").digest)
        repo.plain("config", "--unset", key)
    assert len(digests) == 2, "the list is of exactly these settings"


def test_another_address_that_a_fetch_gets_files_from_is_listed(repo: Repo) -> None:
    """Of versions of git from 2.40 on."""
    repo.remote("https://x.example/a")
    repo.set("fetch.bundleURI", "https://evil.example/b")
    found = [("connection", "bundleuri", "https://evil.example/b")]
    assert listed(repo, "fetch", remote="origin") == found
    assert listed(repo, "push", remote="origin") == []


def test_a_helper_that_a_server_of_missing_files_asks_is_listed(repo: Repo) -> None:
    repo.remote("https://x.example/a")
    repo.set("credential.helper", "evil")
    assert listed(repo, "switch") == []
    repo.set("remote.origin.promisor", "true")
    assert ("credential helper", "", "evil") in listed(repo, "switch")


def test_the_subjects_of_commits_are_read_in_whatever_encoding_they_are(repo: Repo) -> None:
    repo.set("i18n.logOutputEncoding", "UTF-16")
    repo.write("a", "ü\n")
    repo.commit("ü")
    found = remotes.commits(repo.git(), "HEAD~1", "HEAD")
    assert [each.subject for each in found] == ["ü"]


def test_settings_that_are_too_long_to_be_looked_through_let_nothing_run(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (settings, pushed_to):
        monkeypatch.setattr(module, "MOST_BYTES", most := 64 * 1024)
    other = Repo(repo.top.parent / "other").make()
    for each in (repo, other):
        with (each.top / ".git/config").open("a") as config:
            config.write(f"[long]\n\ttext = {'x' * most}\n")
            config.write(f"[core]\n\tfsmonitor = {program(repo, 'monitor')}\n")
    for act in ("commit", "switch", "push"):
        with pytest.raises(GitFailed, match="too long to be looked through"):
            programs.of(repo.git(), act)
    writer = Repo(repo.top.parent / "writer").make()
    writer.remote(str(other.top))
    with pytest.raises(GitFailed, match="too long to be looked through"):
        programs.of(writer.git(), "push", remote="origin")


@pytest.mark.parametrize("act", ["go on", "abort"])
@pytest.mark.parametrize("has_stash", [True, False])
def test_a_rebase_runs_no_filter_of_its_branch_that_was_not_listed(
    repo: Repo, act: str, has_stash: bool
) -> None:
    repo.write("b", "1\n")
    repo.write(".gitattributes", "b filter=own\n")
    repo.commit()
    repo.plain("switch", "-qc", "side")
    repo.write("a", "ours\n")
    repo.commit()
    repo.plain("switch", "-qc", "other", "HEAD~1")
    repo.write("a", "theirs\n")
    repo.commit()
    repo.plain("switch", "-q", "side")
    if has_stash:
        repo.write("b", "stashed\n")
    repo.plain("-c", "rebase.autoStash=true", "rebase", "other", check=False)
    repo.write(".git/more", f'[filter "own"]\n\tclean = {program(repo, "clean")}; cat\n')
    repo.set("includeIf.onbranch:side.path", "more")
    assert listed(repo, "continue") == listed(repo, "switch") == []
    conflicts.resolve(repo.git(), repo.state().conflicts[0], "theirs")

    def run() -> None:
        conflicts.go_on(repo.git(), "rebase") if act == "go on" else conflicts.abort(
            repo.git(), "rebase"
        )

    if has_stash:
        with pytest.raises(GitFailed, match="settings for some branches only"):
            run()
        assert not log(repo).exists()
        repo.plain("config", "--remove-section", "includeIf.onbranch:side")
    run()
    assert repo.state().branch == "side"
    assert (repo.top / "b").read_text() == ("stashed\n" if has_stash else "1\n")
