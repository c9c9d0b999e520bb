# Of the kernels that `make lab` starts: a changed module of vad_lib is loaded again before the next cell.
c = get_config()  # noqa: F821
c.InteractiveShellApp.extensions = ["autoreload"]
c.InteractiveShellApp.exec_lines = ["%autoreload 2"]
