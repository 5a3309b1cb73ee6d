/* The micro kernel: Linux o32 calls for one program with cooperative threads (docs/spec/linux.md). */
#ifndef KERNEL_H
#define KERNEL_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef int s32;

enum { THREADS = 32 };

enum state {
    FREE,      /* no thread */
    READY,     /* runs or could run */
    ASLEEP,    /* nanosleep, clock_nanosleep */
    ON_FUTEX,  /* until somebody wakes the word at `wait` */
    ON_EPOLL,  /* until the event counter is not zero; `wait` is the event to fill in */
};

struct time {
    u32 seconds;
    u32 nanoseconds; /* below 10^9 */
};

struct thread {
    u32 reg[32]; /* reg[0] is the address where it goes on; entry.S knows the places down to `local` */
    u32 hi;
    u32 lo;
    u32 local;        /* what RDHWR $29 tells: thread-local storage */
    u32 *clear_at_end; /* word to set to 0 and wake when it ends, or 0 */
    enum state state;
    u32 wait;
    u32 timed; /* whether `deadline` ends the wait */
    struct time deadline;
};

/* Filled in by the loader. */
struct boot {
    u32 entry; /* of the program */
    u32 stack; /* address of argc */
    u32 stdin_kind;
};

enum { STDIN_STATEMENT, STDIN_BLOB };

/* Linux numbers of errors (MIPS). */
enum {
    EBADF = 9,
    EAGAIN = 11,
    ENOMEM = 12,
    ENOENT = 2,
    EINVAL = 22,
    ENOTTY = 25,
    ESPIPE = 29,
    ENOSYS = 89,
    ETIMEDOUT = 145,
};

/* Exit code where every thread waits and none has a deadline. */
enum { DEADLOCK = 254 };

/* A 64-bit number in memory is two words. */
#ifdef __MIPSEB__
enum { HIGH, LOW };
#else
enum { LOW, HIGH };
#endif

extern struct boot boot;
extern struct thread *current;
extern struct time now;

/* entry.S */
void map_slot(u32 slot, const u32 *root);
void __attribute__((noreturn)) halt(u32 code);
void __attribute__((noreturn)) mark_boot(void);

/* threads.c: an answer is a value, or minus the number of an error */
void pass_time(void);
void choose_thread(void);
void wait_until_woken(enum state state, u32 wait);
void set_deadline(u32 seconds, u32 nanoseconds, int absolute);
u32 wake(enum state state, u32 wait, u32 most);
s32 clone_thread(u32 flags, u32 stack, u32 *parent_word, u32 local);
void end_thread(u32 code);
u32 thread_number(void);

/* files.c */
s32 read_file(u32 file, u32 address, u32 length);
s32 write_file(u32 file, u32 address, u32 length);
s32 each_part(s32 (*move)(u32, u32, u32), u32 file, const u32 *part, u32 count);
s32 describe_file(u32 file, u32 *status);
s32 control_file(u32 file, u32 command);
s32 watch_events(u32 file, const u32 *event);
s32 wait_for_event(u32 *event, s32 milliseconds);
void fill_event(u32 *event);
s32 make_pipe(u32 *ends);
enum { EPOLL_FILE = 100, EVENT_FILE, PIPE_OUT, PIPE_IN };

#endif
