/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What we use of the kernel: fields of its structures, found by name when the program is loaded (CO-RE), and the
 * helpers by their numbers (kernel: include/uapi/linux/bpf.h). No other header is needed. */
#ifndef IDIOLECT_KERNEL_H
#define IDIOLECT_KERNEL_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define BY_NAME __attribute__((preserve_access_index))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Numbers of the kernel's interface. */
#define MAP_HASH 1
#define MAP_ARRAY 2
#define MAP_PERCPU_ARRAY 6
#define MAP_CGROUP_ARRAY 8
#define MAP_RINGBUF 27
#define ONLY_IF_ABSENT 1   /* BPF_NOEXIST */
#define NO_WAKEUP 1        /* BPF_RB_NO_WAKEUP */
#define KERNEL_THREAD 0x00200000 /* PF_KTHREAD */
#define EXITING 0x00000004 /* PF_EXITING */

struct thread_info {
    unsigned long flags;
    u32 status; /* x86 only */
} BY_NAME;

struct ns_common {
    u32 inum;
} BY_NAME;

struct pid_namespace {
    u32 level;
    struct ns_common ns;
} BY_NAME;

struct upid {
    int nr;
    struct pid_namespace *ns;
} BY_NAME;

struct pid {
    u32 level;
    struct upid numbers[1];
} BY_NAME;

typedef struct {
    u32 val;
} BY_NAME kuid_t;

struct cred {
    kuid_t euid;
} BY_NAME;

struct task_struct {
    struct thread_info thread_info;
    u32 flags;
    int pid;
    int tgid;
    int exit_code;
    struct task_struct *group_leader;
    struct pid *thread_pid;
    u64 start_boottime;
    struct cred *cred;
    char comm[16];
} BY_NAME;

struct linux_binprm {
    const char *filename;
} BY_NAME;

struct pt_regs {
#if defined(TARGET_X86_64)
    unsigned long orig_ax;
#elif defined(TARGET_AARCH64)
    s32 syscallno;
#else
#error "for which machine? -D TARGET_X86_64 or -D TARGET_AARCH64"
#endif
} BY_NAME;

struct bpf_iter__task {
    struct task_struct *task;
} BY_NAME;

/* Only the name and the field that we look for; the loader finds the kernel's own number. */
enum bpf_func_id {
    BPF_FUNC_get_current_task_btf = 158,
};

static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static long (*const map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const map_delete)(void *map, const void *key) = (void *)3;
static u64 (*const current_task)(void) = (void *)35;
static long (*const current_under_cgroup)(void *map, u32 index) = (void *)37;
static u64 (*const current_cgroup_id)(void) = (void *)80;
static long (*const read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*const read_kernel_text)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*const now_since_boot)(void) = (void *)125;
static void *(*const ring_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*const ring_submit)(void *record, u64 flags) = (void *)132;
static struct task_struct *(*const current_task_typed)(void) = (void *)158;

/* A field of a kernel structure behind any pointer. Zero where it cannot be read. */
#define FIELD(pointer, field)                                                                      \
    ({                                                                                             \
        __typeof__((pointer)->field) value__ = 0;                                                  \
        read_kernel(&value__, sizeof(value__),                                                     \
                    __builtin_preserve_access_index(&(pointer)->field));                           \
        value__;                                                                                   \
    })

/* Whether this kernel has the helper that gives the running task typed (5.11). */
#define HAS_TYPED_TASK                                                                             \
    __builtin_preserve_enum_value(*(__typeof__(enum bpf_func_id) *)BPF_FUNC_get_current_task_btf,  \
                                  0 /* exists */)

#endif
