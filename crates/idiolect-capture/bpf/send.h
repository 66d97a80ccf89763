/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Events on their way to the reader, and the losses among them. */
#ifndef IDIOLECT_SEND_H
#define IDIOLECT_SEND_H

#include "thread.h"

struct {
    int (*type)[MAP_RINGBUF];
    int (*max_entries)[4 << 20];
} events SECTION(".maps");

struct {
    int (*type)[MAP_ARRAY];
    int (*max_entries)[1];
    u32 *key;
    struct losses *value;
} losses SECTION(".maps");

/* Events were lost of which no mark was sent. */
u32 gap = 0;

/* An event is lost. First it is counted, then a mark is asked for: so a mark has counted all that asked for it. */
#define LOSE(why)                                                                                  \
    do {                                                                                           \
        add_one(&losses, __builtin_offsetof(struct losses, why));                                  \
        gap = 1;                                                                                   \
    } while (0)

/* Tells the reader that events are missing here. */
static __attribute__((noinline)) int send_gap(void)
{
    u32 zero = 0;
    struct losses *counted = map_lookup(&losses, &zero);
    struct lost *lost;
    gap = 0;
    lost = counted ? ring_reserve(&events, sizeof(*lost), 0) : 0;
    if (!lost) {
        gap = 1;
        return 0;
    }
    lost->head.time_ns = now_since_boot();
    lost->head.start_ns = 0;
    lost->head.tgid = 0;
    lost->head.tid = 0;
    lost->head.mark = KIND_LOST;
    lost->head.detail = 0;
    lost->losses = *counted;
    ring_submit(lost, NO_WAKEUP);
    return 0;
}

/* Room for an event. Where there is none, that is counted. */
INLINE void *reserve(u64 size)
{
    void *room;
    if (UNLIKELY(gap))
        send_gap();
    room = ring_reserve(&events, size, 0);
    if (UNLIKELY(!room))
        LOSE(ring_full);
    return room;
}

INLINE u32 mark(u32 kind, u32 abi, u32 generation)
{
    return kind | abi << 4 | (generation < MOST_EXECS ? generation : MOST_EXECS) << 8;
}

INLINE void fill(struct head *head, u64 time_ns, const struct thread *thread, u32 marked, u32 detail)
{
    head->time_ns = time_ns;
    head->start_ns = thread->start_ns;
    head->tgid = thread->tgid;
    head->tid = thread->tid;
    head->mark = marked;
    head->detail = detail;
}

INLINE void send_call(const struct thread *thread, u64 time_ns, u32 abi, u32 number)
{
    struct head *call = reserve(sizeof(*call));
    if (!call)
        return;
    fill(call, time_ns, thread, mark(KIND_CALL, abi, thread->generation), number);
    ring_submit(call, NO_WAKEUP);
}

INLINE void send_result(const struct thread *thread, u64 time_ns, u32 abi, u32 number, s64 value)
{
    struct result *call = reserve(sizeof(*call));
    if (!call)
        return;
    fill(&call->head, time_ns, thread, mark(KIND_RESULT, abi, thread->generation), number);
    call->value = value;
    ring_submit(call, NO_WAKEUP);
}

#endif
