"""Gives each file of this clone the time of change that it had in the clone before, where its content is the same.

`restore_times.py ROOT MANIFEST`. Git gives every file of a fresh clone the time of the clone, and cargo then compiles all crates of
the workspace again. The manifest holds, for the files of a clone at the same path, the hash of the content and the time. A file
that is new or differs keeps its new time, which is later than anything that was compiled, so that nothing stale is used.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path


def main():
    root, manifest = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    try:
        before = json.loads(manifest.read_text())
    except (OSError, ValueError):
        before = {}
    known = before["files"] if before.get("root") == str(root) else {}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True).stdout
    files, same = {}, 0
    for name in filter(None, listed.decode().split("\0")):
        path = root / name
        if path.is_symlink() or not path.is_file():
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found = known.get(name)
        if found and found[0] == digest:
            os.utime(path, ns=(found[1], found[1]))
            same += 1
        files[name] = [digest, path.stat().st_mtime_ns]
    # Written before anything is compiled: what an interrupted run did not compile is older than its files, as in any folder.
    fresh = manifest.with_suffix(".new")
    fresh.write_text(json.dumps({"root": str(root), "files": files}))
    fresh.replace(manifest)
    print(f"{same} of {len(files)} files are as they were when this machine compiled last")


if __name__ == "__main__":
    main()
