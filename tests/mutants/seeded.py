"""Plants bugs in a copy of the core, one at a time, and demands that a test notices each of them.

    python3 tests/mutants/seeded.py                 every bug of seeded.toml
    python3 tests/mutants/seeded.py --always        those that every run of .ci/run plants
    python3 tests/mutants/seeded.py probe window    those whose names have these words

For each it prints the bug and what the test that noticed it has to say. A bug that no longer fits the source, that does not
compile or that its test does not notice is an error."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREE = ROOT / "target/mutants/tree"
# Long enough for a machine that is busy with something else; a bug that hangs its test has not been noticed.
PATIENCE_S = 900
WIDTH = 160


def main(words):
    bugs = tomllib.loads((Path(__file__).parent / "seeded.toml").read_text())["bug"]
    if words == ["--always"]:
        bugs = [bug for bug in bugs if bug.get("always")]
    else:
        bugs = [bug for bug in bugs if all(word in bug["name"] for word in words)]
    if not bugs:
        sys.exit("no bug has such a name")
    copy_tree()
    sound = run_tests({bug["noticed"] for bug in bugs})
    if sound.returncode != 0:
        sys.exit(f"without any bug:\n{sound.stdout}{sound.stderr}")
    failures = [failure for bug in bugs if (failure := plant(bug))]
    print(f"{len(bugs) - len(failures)} of {len(bugs)} bugs were noticed")
    if failures:
        sys.exit("\n".join(["FAILED:", *failures]))


def plant(bug):
    """Plants one bug, takes it out again, and returns what is wrong with the tests, if anything is."""
    path = TREE / "core/src" / bug["file"]
    sound = path.read_text()
    if sound.count(bug["is"]) != 1:
        return f"{bug['name']}: `{bug['is']}` is not in {bug['file']} exactly once: the bug has to follow the source"
    path.write_text(sound.replace(bug["is"], bug["becomes"]))
    try:
        tested = run_tests({bug["noticed"]})
    except subprocess.TimeoutExpired:
        return f"{bug['name']}: {bug['noticed']} did not end"
    finally:
        path.write_text(sound)
    if tested.returncode == 0:
        return f"{bug['name']}: {bug['noticed']} did not notice"
    said = re.search(r"^thread .* panicked at .*:\n(.*\n(?: +(?:left|right): .*\n)*)", tested.stdout, re.MULTILINE)
    if not said:
        return f"{bug['name']}: no test failed, it was something else:\n{tested.stdout}{tested.stderr}"
    print("\n    ".join([bug["name"], bug["noticed"], *(line[:WIDTH] for line in said[1].splitlines())]), flush=True)
    return None


def run_tests(names):
    """Runs exactly these tests of the core in the copy."""
    # Not optimised: it is compiled more often than it runs.
    unoptimised = ["--config", "profile.dev.package.tidegate-core.opt-level=0"]
    command = ["cargo", "test", "--quiet", "--package", "tidegate-core", "--lib", *unoptimised]
    command += ["--", "--exact", *sorted(names)]
    env = os.environ | {"CARGO_TARGET_DIR": str(TREE.parent / "build"), "RUSTFLAGS": "", "RUST_BACKTRACE": "0"}
    run = subprocess.run(command, cwd=TREE, env=env, text=True, capture_output=True, timeout=PATIENCE_S)
    ran = sum(map(int, re.findall(r"^running (\d+) tests?", run.stdout, re.MULTILINE)))
    if run.returncode == 0 and ran != len(names):
        sys.exit(f"{ran} of these tests exist: {', '.join(sorted(names))}")
    return run


def copy_tree():
    """The sources as they are, committed or not; what has not changed keeps its time, for cargo's sake."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    files = {Path(name.decode()) for name in listed if name and (ROOT / name.decode()).is_file()}
    for stale in [path for path in TREE.rglob("*") if path.is_file() and path.relative_to(TREE) not in files]:
        stale.unlink()
    for file in files:
        source, copy = ROOT / file, TREE / file
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)


if __name__ == "__main__":
    main(sys.argv[1:])
