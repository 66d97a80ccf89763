I0521 23:59:58.000001       1 main.go:189] Version release-20240513.0
D0521 23:59:58.100001       1 strace.go:567] [   1:   1] sh E clone(CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, 0x0, 0x0, 0x7f1d3b8a8a10, 0x0)
D0521 23:59:58.100101       1 strace.go:605] [   1:   1] sh X clone(CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, 0x0, 0x0, 0x7f1d3b8a8a10, 0x0) = 2 (0x2) (91.1µs)
D0521 23:59:58.200001       1 strace.go:570] [   2:   2] sh E execve(0x55df /bin/cat, 0x55e0 ["cat", "a) = b"], 0x55e1 ["HOME=/"])
D0521 23:59:58.200201       1 strace.go:608] [   2:   2] cat X execve(0x55df /bin/cat, 0x55e0 ["cat", "a) = b"], 0x55e1 ["HOME=/"]) = 0 (0x0) (1.2ms)
D0521 23:59:59.000001       1 strace.go:567] [   2:   2] my cat E openat(AT_FDCWD /, 0x7ffd /nowhere, O_RDONLY|O_CLOEXEC, 0o0)
D0521 23:59:59.000101       1 strace.go:605] [   2:   2] my cat X openat(AT_FDCWD /, 0x7ffd /nowhere, O_RDONLY|O_CLOEXEC, 0o0) = 0 (0x0) errno=2 (no such file or directory) (3.5µs)
D0522 00:00:01.000001       1 strace.go:567] [   2:   2] cat E sys_999(0x1, 0x2, 0x3, 0x4, 0x5, 0x6)
D0522 00:00:01.000101       1 strace.go:605] [   2:   2] cat X sys_999(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = 0 (0x0) errno=38 (function not implemented) (900ns)
D0522 00:00:02.000001       1 strace.go:567] [   2:   2] cat E fstat(0x3, 0x7ffd)
*** Dropped 7 log messages ***
D0522 00:00:03.000001       1 strace.go:605] [   1:   1] sh X wait4(0xffffffff, 0x7ffd, 0x0, 0x0) = 2 (0x2) (4.1s)
D0522 00:00:04.000001       1 strace.go:567] [   2:   2] cat E exit_group(0x1)
