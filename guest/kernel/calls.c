/* Which call does what. Numbers: Linux, arch/mips/include/uapi/asm/unistd.h, o32 (4000 + n). */
#include "kernel.h"

enum {
    CALL_EXIT = 4001,
    CALL_READ = 4003,
    CALL_WRITE = 4004,
    CALL_OPEN = 4005,
    CALL_CLOSE = 4006,
    CALL_GETPID = 4020,
    CALL_GETUID = 4024,
    CALL_ACCESS = 4033,
    CALL_BRK = 4045,
    CALL_GETGID = 4047,
    CALL_GETEUID = 4049,
    CALL_GETEGID = 4050,
    CALL_IOCTL = 4054,
    CALL_FCNTL = 4055,
    CALL_READLINK = 4085,
    CALL_MMAP = 4090,
    CALL_MUNMAP = 4091,
    CALL_CLONE = 4120,
    CALL_UNAME = 4122,
    CALL_MPROTECT = 4125,
    CALL_LLSEEK = 4140,
    CALL_READV = 4145,
    CALL_WRITEV = 4146,
    CALL_SCHED_YIELD = 4162,
    CALL_NANOSLEEP = 4166,
    CALL_POLL = 4188,
    CALL_PRCTL = 4192,
    CALL_RT_SIGACTION = 4194,
    CALL_RT_SIGPROCMASK = 4195,
    CALL_SIGALTSTACK = 4206,
    CALL_MMAP2 = 4210,
    CALL_STAT64 = 4213,
    CALL_LSTAT64 = 4214,
    CALL_FSTAT64 = 4215,
    CALL_MADVISE = 4218,
    CALL_FCNTL64 = 4220,
    CALL_GETTID = 4222,
    CALL_FUTEX = 4238,
    CALL_SCHED_GETAFFINITY = 4240,
    CALL_EXIT_GROUP = 4246,
    CALL_EPOLL_CTL = 4249,
    CALL_SET_TID_ADDRESS = 4252,
    CALL_CLOCK_GETTIME = 4263,
    CALL_CLOCK_NANOSLEEP = 4265,
    CALL_SET_THREAD_AREA = 4283,
    CALL_OPENAT = 4288,
    CALL_FSTATAT64 = 4293,
    CALL_EPOLL_PWAIT = 4313,
    CALL_EVENTFD2 = 4325,
    CALL_EPOLL_CREATE1 = 4326,
    CALL_PIPE2 = 4328,
    CALL_PRLIMIT64 = 4338,
    CALL_GETRANDOM = 4353,
    CALL_CLOCK_GETTIME64 = 4403,
    CALL_CLOCK_NANOSLEEP_TIME64 = 4407,
    CALL_FUTEX_TIME64 = 4422,
    CALL_BOOTED = 9000, /* no call of Linux: the program is ready for its inputs */
    CALL_MAP = 9001,    /* no call of Linux: a blob into a slot */
};

enum { FUTEX_COMMAND = 0x7F, FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_REQUEUE = 3, FUTEX_WAIT_BITSET = 9 };
enum { TIMER_ABSTIME = 1, GRND_INSECURE = 4, NAME_BYTES = 65, NAMES = 6 };
enum { MAP_ANONYMOUS = 0x800, PAGE = 4096, MOST_FILES = 1024, SLOTS = 15 };

/* Address space of a program. Go reserves 0x20400000 bytes behind the break, so the heap grows below it. */
enum { HEAP = 0x20000000, BREAK = 0x40000000, MAP_END = 0x7F000000 };

__attribute__((section(".boot"))) struct boot boot;
static u32 heap = HEAP;

/* Memory is there already: a wish is granted, else addresses are given out once and never taken back. */
static s32 map_memory(u32 wish, u32 length, u32 flags)
{
    length = (length + PAGE - 1) & -PAGE;
    if (!(flags & MAP_ANONYMOUS) || !length || wish % PAGE)
        return -EINVAL;
    if (wish)
        return wish < MAP_END && length <= MAP_END - wish ? (s32)wish : -ENOMEM;
    if (length > BREAK - heap)
        return -ENOMEM;
    heap += length;
    return heap - length;
}

/* The end of a wait as calls give it: struct timespec with 32 or 64 bits, from now on or since the epoch. */
static void end_wait_at(const u32 *time, int wide, int absolute)
{
    u32 seconds = wide ? time[HIGH] ? ~0u : time[LOW] : time[0];
    set_deadline(seconds, time[wide ? 2 + LOW : 1], absolute);
}

static s32 wait_on_futex(const u32 *arg, int wide, int absolute)
{
    if (*(const u32 *)arg[0] != arg[2])
        return -EAGAIN;
    wait_until_woken(ON_FUTEX, arg[0]);
    if (arg[3])
        end_wait_at((const u32 *)arg[3], wide, absolute);
    return 0;
}

static s32 futex(u32 command, const u32 *arg, int wide)
{
    switch (command & FUTEX_COMMAND) {
    case FUTEX_WAIT:
        return wait_on_futex(arg, wide, 0);
    case FUTEX_WAIT_BITSET: /* no bit is looked at, so it may wake too early */
        return wait_on_futex(arg, wide, 1);
    case FUTEX_WAKE:
        return wake(ON_FUTEX, arg[0], arg[2]);
    case FUTEX_REQUEUE: /* who would move to another word wakes too early, which futexes allow */
        return wake(ON_FUTEX, arg[0], THREADS);
    }
    return -ENOSYS;
}

static s32 sleep(const u32 *time, int wide, u32 absolute)
{
    wait_until_woken(ASLEEP, 0);
    end_wait_at(time, wide, absolute);
    return 0;
}

static s32 tell_time(u32 *to)
{
    to[0] = now.seconds;
    to[1] = now.nanoseconds;
    return 0;
}

static s32 tell_time_in_64_bits(u32 *to)
{
    to[HIGH] = to[2 + HIGH] = 0;
    to[LOW] = now.seconds;
    to[2 + LOW] = now.nanoseconds;
    return 0;
}

/* struct new_utsname: system, node, release, version, machine, domain. */
static s32 tell_names(u8 *to)
{
    static const char *const names[NAMES] = {"Linux", "", "5.10.0", "", "mips", ""};
    for (u32 k = 0; k < NAMES; k++) {
        const char *name = names[k];
        for (u32 i = 0; i < NAME_BYTES; i++)
            *to++ = *name ? *name++ : 0;
    }
    return 0;
}

/* Nothing here is random. Who says that he does not need a secret gets a fixed sequence, others get nothing. */
static s32 fill_in(u8 *to, u32 length, u32 flags)
{
    static u32 state = 1;
    if (!(flags & GRND_INSECURE))
        return -ENOSYS;
    for (u32 k = 0; k < length; k++) {
        state = state * 1664525 + 1013904223;
        to[k] = state >> 24;
    }
    return length;
}

/* The machine has one processor. */
static s32 tell_processors(u32 *mask)
{
    mask[0] = 1;
    return sizeof mask[0];
}

static s32 tell_limits(u32 *limits)
{
    if (limits) {
        limits[HIGH] = limits[2 + HIGH] = 0;
        limits[LOW] = limits[2 + LOW] = MOST_FILES;
    }
    return 0;
}

static s32 map_blob(u32 slot, const u32 *root)
{
    if (slot >= SLOTS)
        return -EINVAL;
    map_slot(slot, root);
    return 0;
}

static s32 call(u32 number, const u32 *arg)
{
    switch (number) {
    case CALL_EXIT_GROUP:
        halt(arg[0]);
    case CALL_EXIT:
        end_thread(arg[0]);
        return 0;
    case CALL_READ:
        return read_file(arg[0], arg[1], arg[2]);
    case CALL_WRITE:
        return write_file(arg[0], arg[1], arg[2]);
    case CALL_READV:
        return each_part(read_file, arg[0], (const u32 *)arg[1], arg[2]);
    case CALL_WRITEV:
        return each_part(write_file, arg[0], (const u32 *)arg[1], arg[2]);
    case CALL_FSTAT64:
        return describe_file(arg[0], (u32 *)arg[1]);
    case CALL_LLSEEK:
        return -ESPIPE;
    case CALL_IOCTL:
        return -ENOTTY;
    case CALL_OPEN:
    case CALL_OPENAT:
    case CALL_ACCESS:
    case CALL_READLINK:
    case CALL_STAT64:
    case CALL_LSTAT64:
    case CALL_FSTATAT64:
        return -ENOENT;
    case CALL_FCNTL:
    case CALL_FCNTL64:
        return control_file(arg[0], arg[1]);
    case CALL_BRK:
        return BREAK;
    case CALL_MMAP:
    case CALL_MMAP2:
        return map_memory(arg[0], arg[1], arg[3]);
    case CALL_CLONE:
        return clone_thread(arg[0], arg[1], (u32 *)arg[2], arg[3]);
    case CALL_SET_THREAD_AREA:
        current->local = arg[0];
        return 0;
    case CALL_SET_TID_ADDRESS:
        current->clear_at_end = (u32 *)arg[0];
        return thread_number();
    case CALL_NANOSLEEP:
        return sleep((const u32 *)arg[0], 0, 0);
    case CALL_CLOCK_NANOSLEEP:
        return sleep((const u32 *)arg[2], 0, arg[1] & TIMER_ABSTIME);
    case CALL_CLOCK_NANOSLEEP_TIME64:
        return sleep((const u32 *)arg[2], 1, arg[1] & TIMER_ABSTIME);
    case CALL_FUTEX:
        return futex(arg[1], arg, 0);
    case CALL_FUTEX_TIME64:
        return futex(arg[1], arg, 1);
    case CALL_EPOLL_CREATE1:
        return EPOLL_FILE;
    case CALL_EVENTFD2:
        return EVENT_FILE;
    case CALL_PIPE2:
        return make_pipe((u32 *)arg[0]);
    case CALL_EPOLL_CTL:
        return watch_events(arg[2], (const u32 *)arg[3]);
    case CALL_EPOLL_PWAIT:
        return wait_for_event((u32 *)arg[1], arg[3]);
    case CALL_CLOCK_GETTIME:
        return tell_time((u32 *)arg[1]);
    case CALL_CLOCK_GETTIME64:
        return tell_time_in_64_bits((u32 *)arg[1]);
    case CALL_UNAME:
        return tell_names((u8 *)arg[0]);
    case CALL_GETRANDOM:
        return fill_in((u8 *)arg[0], arg[1], arg[2]);
    case CALL_SCHED_GETAFFINITY:
        return tell_processors((u32 *)arg[2]);
    case CALL_PRLIMIT64:
        return tell_limits((u32 *)arg[3]);
    case CALL_GETPID:
        return 1;
    case CALL_GETTID:
        return thread_number();
    case CALL_MAP:
        return map_blob(arg[0], (const u32 *)arg[1]);
    case CALL_POLL:
    case CALL_PRCTL:
        return -EINVAL;
    case CALL_CLOSE:
    case CALL_MUNMAP:
    case CALL_MPROTECT:
    case CALL_MADVISE:
    case CALL_RT_SIGACTION:
    case CALL_RT_SIGPROCMASK:
    case CALL_SIGALTSTACK:
    case CALL_GETUID:
    case CALL_GETEUID:
    case CALL_GETGID:
    case CALL_GETEGID:
    case CALL_SCHED_YIELD:
    case CALL_BOOTED:
        return 0;
    }
    return -ENOSYS;
}

/* Called by entry.S for each SYSCALL 0, the registers saved in `current`. */
void serve(void)
{
    u32 *reg = current->reg;
    u32 number = reg[2];
    pass_time();
    s32 answer = call(number, reg + 4);
    reg[7] = answer < 0;
    reg[2] = answer < 0 ? -answer : answer;
    if (current->state != READY || number == CALL_SCHED_YIELD)
        choose_thread();
    if (number == CALL_BOOTED)
        mark_boot();
}
