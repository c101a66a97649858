"""One local AWS, and one demo, in a folder at a time; a process that died locks nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ddb_pipeline.cli.folder_lock import FolderLockedError, folder_lock, is_locked

HOLD = """
import sys, time
from pathlib import Path
from ddb_pipeline.cli.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_locked_folder_is_refused_until_it_is_free_again(tmp_path: Path):
    assert not is_locked(tmp_path)
    with folder_lock(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(FolderLockedError), folder_lock(tmp_path):
            pass
    assert not is_locked(tmp_path)
    with folder_lock(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_locked(tmp_path)
        holder.kill()
    assert not is_locked(tmp_path)
