/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What goes through the ring buffer, and what is counted. src/ebpf/wire.rs reads it: change both together. */
#ifndef IDIOLECT_RECORDS_H
#define IDIOLECT_RECORDS_H

#include "kernel.h"

/* The first four bits of `mark`. */
enum kind {
    KIND_CALL = 1,    /* struct head; detail: the number */
    KIND_RESULT = 2,  /* struct result; detail: the number */
    KIND_FORK = 3,    /* struct fork; head is the parent's; detail: 1 for a thread */
    KIND_EXEC = 4,    /* struct exec; head is the caller's; detail: the effective user */
    KIND_EXIT = 5,    /* struct head; detail: the exit code, as wait(2) gives it */
    KIND_LOST = 6,    /* struct lost: events were lost before this one */
};

/* The next four bits: the convention of a call. */
enum abi {
    ABI_NONE = 0,
    ABI_X86_64 = 1,
    ABI_I386 = 2,
    ABI_X32 = 3,
    ABI_AARCH64 = 4,
    ABI_ARM = 5,
};

/* The other 24 bits: how many programs the process has executed since it was first seen, at most this. */
#define MOST_EXECS 0xffffff

struct head {
    u64 time_ns; /* since boot; a call's entry */
    u64 start_ns; /* of the process, since boot */
    u32 tgid;
    u32 tid;
    u32 mark;
    u32 detail;
};

struct result {
    struct head head;
    s64 value;
};

struct fork {
    struct head head;
    u64 start_ns;
    u32 tgid;
    u32 tid;
    u32 generation;
    u32 unused;
};

/* Events that were lost since the beginning, by cause. */
struct losses {
    u64 ring_full;
    u64 table_full;
};

struct lost {
    struct head head;
    struct losses losses;
};

/* The path follows, with a zero at its end. */
struct exec {
    struct head head;
    u64 cgroup;
};

/* Most bytes of a path with its zero: nearly always, and ever (PATH_MAX). */
#define SHORT_PATH 256
#define LONG_PATH 4096

/* By processor: threads that are followed are began - ended. */
struct counters {
    u64 began;
    u64 ended;
};

#endif
