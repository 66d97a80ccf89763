/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What is known of followed threads: the table of them, and who they are in the recorder's eyes. */
#ifndef IDIOLECT_THREAD_H
#define IDIOLECT_THREAD_H

#include "records.h"

/* Set by `introduce`. */
u64 own_namespace = 0; /* address of the recorder's pid namespace */
u32 own_level = 0;     /* its depth */
u32 own_tgid = 0;      /* the recorder's number in the first namespace */
/* Where a thread stands. */
enum phase { OUTSIDE = 0, INSIDE = 1, SILENT = 2 /* the end of its present call is nothing new */ };

struct thread {
    u64 start_ns;
    u32 tgid;
    u32 tid;
    u32 generation;
    u32 phase;
    /* The call that it is inside, with `outcomes`. */
    u64 entered_ns;
    u32 number;
    u32 abi;
};

struct {
    int (*type)[MAP_HASH];
    int (*max_entries)[65536];
    u64 *key;
    struct thread *value;
} threads SECTION(".maps");

/* How many entries there are, by a hash of their addresses. */
#define CROWD_BITS 14
u32 crowd[1 << CROWD_BITS];

struct {
    int (*type)[MAP_PERCPU_ARRAY];
    int (*max_entries)[1];
    u32 *key;
    struct counters *value;
} counters SECTION(".maps");

INLINE void add_one(void *map, u32 offset)
{
    u32 zero = 0;
    void *fields = map_lookup(map, &zero);
    if (fields)
        __sync_fetch_and_add((u64 *)(fields + offset), 1);
}
#define COUNT(what) add_one(&counters, __builtin_offsetof(struct counters, what))

/* What a task is called in the pid namespace of this depth. */
INLINE struct upid *namespace_entry(struct pid *pid, u32 level)
{
    return (void *)__builtin_preserve_access_index(&pid->numbers) + level * sizeof(struct upid);
}

/* The number of a task in the recorder's pid namespace; in the first one where it is not visible there. */
INLINE u32 visible_number(struct task_struct *task, u32 otherwise)
{
    struct pid *pid = FIELD(task, thread_pid);
    u32 level = own_level;
    struct upid *at;
    if (!pid || level > 32 || FIELD(pid, level) < level)
        return otherwise;
    at = namespace_entry(pid, level);
    if ((u64)FIELD(at, ns) != own_namespace)
        return otherwise;
    return FIELD(at, nr);
}

/* What is known of a task from the beginning. */
INLINE void describe(struct thread *thread, struct task_struct *task, u32 phase)
{
    struct task_struct *leader = FIELD(task, group_leader);
    thread->start_ns = FIELD(leader, start_boottime);
    thread->tgid = visible_number(leader, FIELD(task, tgid));
    thread->tid = visible_number(task, FIELD(task, pid));
    thread->generation = 0;
    thread->phase = phase;
    thread->entered_ns = 0;
    thread->number = 0;
    thread->abi = ABI_NONE;
}

/* Its place in `crowd`. */
INLINE u32 *place(u64 address)
{
    const u64 golden = 0x9e3779b97f4a7c15; /* Fibonacci hashing: 2^64 by the golden ratio */
    return &crowd[address * golden >> (64 - CROWD_BITS)];
}

/* A typed pointer as a number: the verifier allows no arithmetic on it, so it is read as memory. */
INLINE u64 address_of(struct task_struct *task)
{
    u64 address = 0;
    read_kernel(&address, sizeof(address), &task);
    return address;
}

INLINE struct thread *find(u64 address)
{
    return *place(address) ? map_lookup(&threads, &address) : 0;
}

/* Begins to follow a task; 0 where the table has no place. */
INLINE struct thread *follow(u64 address, const struct thread *first)
{
    /* Before the entry is there, or it would not be found while it is counted. */
    __sync_fetch_and_add(place(address), 1);
    if (map_update(&threads, &address, first, ONLY_IF_ABSENT) == 0)
        COUNT(began);
    else
        __sync_fetch_and_add(place(address), -1);
    return find(address);
}

INLINE void forget(u64 address)
{
    if (map_delete(&threads, &address) == 0) {
        __sync_fetch_and_add(place(address), -1);
        COUNT(ended);
    }
}

#endif
