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
#include "send.h"

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

/* Threads of `root` may be without an entry yet. */
u32 seeding = 1;

struct {
    int (*type)[MAP_CGROUP_ARRAY];
    int (*max_entries)[1];
    u32 *key;
    u32 *value;
} cgroup SECTION(".maps");

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

/* Sends the program's path in a record with so many bytes for it. */
INLINE void send_exec(const struct thread *thread, struct task_struct *task, const char *path, const u32 most)
{
    struct cred *cred = FIELD(task, cred);
    struct exec *exec = reserve(sizeof(*exec) + most);
    if (!exec)
        return;
    fill(&exec->head, now_since_boot(), thread, mark(KIND_EXEC, ABI_NONE, thread->generation),
         FIELD(cred, euid.val));
    exec->cgroup = current_cgroup_id();
    if (read_kernel_text(exec + 1, most, path) < 0)
        *(char *)(exec + 1) = 0;
    ring_submit(exec, NO_WAKEUP);
}

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
        send_exec(thread, task, path, SHORT_PATH);
    else
        send_exec(thread, task, path, LONG_PATH);
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
