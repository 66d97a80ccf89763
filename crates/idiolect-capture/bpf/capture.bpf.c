/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Sends the system calls of followed threads, and their births, programs and ends, through a ring buffer.
 *
 * A followed thread has an entry in `threads`, under the address of its task, which stays the same when an exec
 * changes its number. The entry knows whether the thread is inside a call. A call that ends without having begun was
 * denied by seccomp (or skipped by a tracer): those never reach sys_enter. Who is not followed pays for no lookup:
 * nearly always `crowd` says that there is no entry.
 *
 * Nobody is woken: the reader comes by often enough. An event that finds no room is counted, and so that its place is
 * known the next event that finds room is preceded by a mark. */
#include "records.h"

/* Set before loading. */
enum target { TARGET_TREE = 0, TARGET_CGROUP = 1, TARGET_COMM = 2, TARGET_ALL = 3 };
const volatile u32 target = TARGET_TREE;
/* For TARGET_TREE: the process, by its number in the recorder's pid namespace. */
const volatile u32 root = 0;
/* For TARGET_COMM: the name as two words. */
const volatile u64 name_low = 0;
const volatile u64 name_high = 0;
/* Whether calls are sent at their end, with their result. */
const volatile u32 outcomes = 0;
/* Reads kernel memory by helper even where typed pointers are there, as kernels before 5.11 need it. For tests. */
const volatile u32 untyped = 0;

/* Set by the iterators. */
u64 own_namespace = 0; /* address of the recorder's pid namespace */
u32 own_level = 0;     /* its depth */
u32 own_tgid = 0;      /* the recorder's number in the first namespace */
u32 seeding = 1;       /* threads of `root` may be without an entry yet */
/* Events were lost of which no mark was sent. */
u32 gap = 0;

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
    int (*type)[MAP_RINGBUF];
    int (*max_entries)[4 << 20];
} events SECTION(".maps");

struct {
    int (*type)[MAP_PERCPU_ARRAY];
    int (*max_entries)[1];
    u32 *key;
    struct counters *value;
} counters SECTION(".maps");

struct {
    int (*type)[MAP_CGROUP_ARRAY];
    int (*max_entries)[1];
    u32 *key;
    u32 *value;
} cgroup SECTION(".maps");

struct {
    int (*type)[MAP_ARRAY];
    int (*max_entries)[1];
    u32 *key;
    struct losses *value;
} losses SECTION(".maps");

INLINE void add_one(void *map, u32 offset)
{
    u32 zero = 0;
    void *fields = map_lookup(map, &zero);
    if (fields)
        __sync_fetch_and_add((u64 *)(fields + offset), 1);
}
#define COUNT(what) add_one(&counters, __builtin_offsetof(struct counters, what))

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
    if (map_update(&threads, &address, first, ONLY_IF_ABSENT) == 0) {
        __sync_fetch_and_add(place(address), 1);
        COUNT(began);
    }
    return find(address);
}

INLINE void forget(u64 address)
{
    if (map_delete(&threads, &address) == 0) {
        __sync_fetch_and_add(place(address), -1);
        COUNT(ended);
    }
}

/* Whether a process of this number and name is one to follow. */
INLINE int chosen(u32 tgid, u64 low, u64 high)
{
    if (tgid == own_tgid)
        return 0;
    switch (target) {
    case TARGET_CGROUP:
        return current_under_cgroup(&cgroup, 0) == 1;
    case TARGET_COMM:
        return low == name_low && high == name_high;
    default:
        return 1;
    }
}

/* Whether the running task is one to follow by what it is now; trees go by their entries instead. */
INLINE int wanted(u64 address)
{
    if (HAS_TYPED_TASK && !untyped) {
        struct task_struct *task = current_task_typed();
        const u64 *name = __builtin_preserve_access_index((u64 *)&task->group_leader->comm);
        return chosen(task->tgid, name[0], name[1]);
    }
    struct task_struct *task = (struct task_struct *)address;
    struct task_struct *leader = FIELD(task, group_leader);
    u64 name[2] = {0, 0};
    read_kernel(name, sizeof(name), __builtin_preserve_access_index(&leader->comm));
    return chosen(FIELD(task, tgid), name[0], name[1]);
}

/* Whether a task belongs to the process that the recording begins with. */
INLINE int of_root(struct task_struct *task)
{
    return visible_number(FIELD(task, group_leader), 0) == root;
}

/* The entry of the running task if it is to be followed, made where that is new. */
INLINE struct thread *followed(u64 address, u32 phase)
{
    struct task_struct *task = (struct task_struct *)address;
    struct thread *thread;
    struct thread first;
    if (target == TARGET_TREE) {
        thread = find(address);
        if (thread || !seeding || !of_root(task))
            return thread;
    } else {
        if (!wanted(address))
            return 0;
        thread = find(address);
        if (thread)
            return thread;
    }
    describe(&first, task, phase);
    thread = follow(address, &first);
    if (!thread)
        LOSE(table_full);
    return thread;
}

/* The convention of the running task's present call. */
INLINE u32 convention(u64 address, u32 *number __attribute__((unused)))
{
#if defined(TARGET_X86_64)
    const u32 compat = 0x0002; /* TS_COMPAT */
    const u32 x32 = 0x40000000; /* __X32_SYSCALL_BIT */
    u32 status;
    if (HAS_TYPED_TASK && !untyped)
        status = current_task_typed()->thread_info.status;
    else
        status = FIELD((struct task_struct *)address, thread_info.status);
    if (status & compat)
        return ABI_I386;
    /* Numbers from -1 down have the bit too, and are nobody's. */
    if ((*number & x32) && (s32)*number > 0) {
        *number &= ~x32;
        return ABI_X32;
    }
    return ABI_X86_64;
#else
    const unsigned long compat = 1ul << 22; /* TIF_32BIT */
    unsigned long flags;
    if (HAS_TYPED_TASK && !untyped)
        flags = current_task_typed()->thread_info.flags;
    else
        flags = FIELD((struct task_struct *)address, thread_info.flags);
    return flags & compat ? ABI_ARM : ABI_AARCH64;
#endif
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

/* void (struct pt_regs *, long number) */
SECTION("tp_btf/sys_enter")
int call_begins(u64 *arguments)
{
    u64 address = current_task();
    struct thread *thread = followed(address, OUTSIDE);
    u32 number = arguments[1];
    u32 abi;
    if (!thread)
        return 0;
    abi = convention(address, &number);
    thread->phase = INSIDE;
    if (outcomes) {
        thread->entered_ns = now_since_boot();
        thread->number = number;
        thread->abi = abi;
    } else {
        send_call(thread, now_since_boot(), abi, number);
    }
    return 0;
}

/* void (struct pt_regs *, long result) */
SECTION("tp_btf/sys_exit")
int call_ends(u64 *arguments)
{
    u64 address = current_task();
    struct thread *thread = find(address);
    struct pt_regs *registers;
    u32 phase, number, abi;
    s64 value;
    if (!thread)
        return 0;
    phase = thread->phase;
    thread->phase = OUTSIDE;
    if (phase == SILENT || (phase == INSIDE && !outcomes))
        return 0;
    value = arguments[1];
    if (phase == INSIDE) {
        send_result(thread, thread->entered_ns, thread->abi, thread->number, value);
        return 0;
    }
    /* It was denied. A thread that left the cgroup or changed its name is not ours any more. */
    if (target != TARGET_TREE && !wanted(address))
        return 0;
    registers = (struct pt_regs *)arguments[0];
#if defined(TARGET_X86_64)
    number = registers->orig_ax;
#else
    number = registers->syscallno;
#endif
    if ((s32)number < 0)
        return 0;
    abi = convention(address, &number);
    /* Where seccomp answers with a signal the register still holds the number, which is no result. */
    if (outcomes && (u32)value != number)
        send_result(thread, now_since_boot(), abi, number, value);
    else
        send_call(thread, now_since_boot(), abi, number);
    return 0;
}

/* void (struct task_struct *parent, struct task_struct *child) */
SECTION("tp_btf/sched_process_fork")
int task_forks(u64 *arguments)
{
    struct task_struct *child = (struct task_struct *)arguments[1];
    u64 address = current_task();
    struct thread *parent;
    struct thread first;
    struct fork *fork;
    int is_thread;
    if (child->flags & KERNEL_THREAD)
        return 0;
    /* A parent that is new is inside its call already, so its end is nothing new. */
    parent = followed(address, SILENT);
    if (!parent)
        return 0;
    /* Its first return from the kernel ends its parent's call. */
    describe(&first, child, SILENT);
    is_thread = first.tgid == parent->tgid && first.start_ns == parent->start_ns;
    if (is_thread)
        first.generation = parent->generation;
    if (!follow(address_of(child), &first)) {
        LOSE(table_full);
        return 0;
    }
    fork = reserve(sizeof(*fork));
    if (!fork)
        return 0;
    fill(&fork->head, now_since_boot(), parent, mark(KIND_FORK, ABI_NONE, parent->generation), is_thread);
    fork->start_ns = first.start_ns;
    fork->tgid = first.tgid;
    fork->tid = first.tid;
    fork->generation = first.generation;
    fork->unused = 0;
    ring_submit(fork, NO_WAKEUP);
    return 0;
}

INLINE void fill_exec(struct exec *exec, const struct thread *thread, struct task_struct *task)
{
    struct cred *cred = FIELD(task, cred);
    fill(&exec->head, now_since_boot(), thread, mark(KIND_EXEC, ABI_NONE, thread->generation),
         FIELD(cred, euid.val));
    exec->cgroup = current_cgroup_id();
}

/* Sends the program's path in a record of a size that suffices; whether it did. */
#define SEND_EXEC(thread, task, path, most)                                                        \
    ({                                                                                             \
        struct exec *exec__ = reserve(sizeof(*exec__) + (most));                                   \
        int done__ = 1;                                                                            \
        if (exec__) {                                                                              \
            long length__ = read_kernel_text(exec__ + 1, (most), (path));                          \
            if (length__ < 0)                                                                      \
                *(char *)(exec__ + 1) = 0;                                                         \
            fill_exec(exec__, (thread), (task));                                                   \
            ring_submit(exec__, NO_WAKEUP);                                                        \
        }                                                                                          \
        done__;                                                                                    \
    })

/* void (struct task_struct *, pid_t old_tid, struct linux_binprm *) */
SECTION("tp_btf/sched_process_exec")
int task_executes(u64 *arguments)
{
    struct task_struct *task = (struct task_struct *)arguments[0];
    u64 address = current_task();
    struct thread *thread = followed(address, SILENT);
    const char *path = ((struct linux_binprm *)arguments[2])->filename;
    char probe[SHORT_PATH];
    if (!thread) {
        /* What it was is not followed any more; its last event is that it became something else. */
        thread = target == TARGET_TREE ? 0 : find(address);
        if (!thread)
            return 0;
    }
    if (thread->phase == INSIDE && outcomes)
        send_result(thread, thread->entered_ns, thread->abi, thread->number, 0);
    thread->phase = SILENT;
    if (read_kernel_text(probe, sizeof(probe), path) < SHORT_PATH)
        SEND_EXEC(thread, task, path, SHORT_PATH);
    else
        SEND_EXEC(thread, task, path, LONG_PATH);
    /* The thread that executes is the only one left, and has the number of the process. */
    thread->generation++;
    thread->tid = thread->tgid;
    return 0;
}

/* void (struct task_struct *) */
SECTION("tp_btf/sched_process_exit")
int task_exits(u64 *arguments)
{
    struct task_struct *task = (struct task_struct *)arguments[0];
    u64 address = current_task();
    struct thread *thread = find(address);
    struct head *head;
    if (!thread)
        return 0;
    /* The call that it does not come back from. */
    if (thread->phase == INSIDE && outcomes)
        send_call(thread, thread->entered_ns, thread->abi, thread->number);
    head = reserve(sizeof(*head));
    if (head) {
        fill(head, now_since_boot(), thread, mark(KIND_EXIT, ABI_NONE, thread->generation),
             task->exit_code);
        ring_submit(head, NO_WAKEUP);
    }
    forget(address);
    return 0;
}

/* Learns who the recorder is: the reader of an iterator runs it. */
SECTION("iter/task")
int introduce(struct bpf_iter__task *context __attribute__((unused)))
{
    struct task_struct *reader = (struct task_struct *)current_task();
    struct pid *pid = FIELD(reader, thread_pid);
    u32 level = FIELD(pid, level);
    struct upid *at;
    if (level > 32)
        return 0;
    at = namespace_entry(pid, level);
    own_namespace = (u64)FIELD(at, ns);
    own_level = level;
    own_tgid = FIELD(reader, tgid);
    return 0;
}

/* Follows the threads that `root` has already. The others are attached by then, so none is missed: one that is born
 * meanwhile is followed by its birth. */
SECTION("iter/task")
int seed(struct bpf_iter__task *context)
{
    struct task_struct *task = context->task;
    struct thread first;
    u64 address;
    if (!task) {
        seeding = 0;
        return 0;
    }
    if (!of_root(task))
        return 0;
    address = address_of(task);
    describe(&first, task, SILENT);
    if (!follow(address, &first)) {
        LOSE(table_full);
        return 0;
    }
    /* If it ends just now, either task_exits is still to come or we have to undo it. */
    if (task->flags & EXITING)
        forget(address);
    return 0;
}

char licence[] SECTION("license") = "Dual MIT/GPL";
