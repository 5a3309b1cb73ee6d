/* The only files: stdin, stdout, stderr, one event counter, which may be a pipe too, and one set of watched files.

   stdout and stderr are logs at fixed addresses for the host: a word with the number of bytes written, then the
   bytes. What is written to a full log is counted, but not kept. */
#include "kernel.h"

#define STATEMENT ((const u32 *)0xFFFFD000u)
#define SLOT_0 ((const u8 *)0xC0000000u)
#define LOG(file) ((u32 *)(0x80000000u + (file) * 0x01000000u)) /* 1, 2 */

enum { STATEMENT_BYTES = 4096, SLOT_BYTES = 1 << 26, LOG_BYTES = 0x00FFFFFC, ROOT_WORDS = 8 };
enum { STATUS_WORDS = 26, STATUS_MODE = 6, S_IFIFO = 010000 }; /* struct stat64, arch/mips/include/uapi/asm/stat.h */
enum { F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, O_RDONLY = 0, O_WRONLY = 1, EPOLLIN = 1 };

static const u8 *input;
static u32 input_left;
static u32 events;          /* 64 bits in Linux; nobody counts that far */
static u32 event_data[2];   /* what the program wants to be told of the event counter */

static u32 least(u32 a, u32 b)
{
    return a < b ? a : b;
}

/* A word at any address: LWL and LWR, SWL and SWR. */
struct __attribute__((packed)) word {
    u32 value;
};

static void copy(u8 *to, const u8 *from, u32 length)
{
    const u8 *words_end = from + (length & -4u), *end = from + length;
    for (; from != words_end; to += 4, from += 4)
        ((struct word *)to)->value = ((const struct word *)from)->value;
    while (from != end)
        *to++ = *from++;
}

/* At the first read. A blob that nobody reads need not exist. */
static void open_input(void)
{
    if (boot.stdin_kind == STDIN_BLOB) {
        map_slot(0, STATEMENT);
        input = SLOT_0;
        input_left = least(STATEMENT[ROOT_WORDS], SLOT_BYTES);
    } else {
        input = (const u8 *)(STATEMENT + 1);
        input_left = least(STATEMENT[0], STATEMENT_BYTES - 4);
    }
}

static s32 read_input(u8 *to, u32 length)
{
    if (!input)
        open_input();
    length = least(length, input_left);
    copy(to, input, length);
    input += length;
    input_left -= length;
    return length;
}

static s32 read_events(u32 *count)
{
    if (!events)
        return -EAGAIN;
    count[HIGH] = 0;
    count[LOW] = events;
    events = 0;
    return 8;
}

/* Before 1.23 Go wakes its poller with a pipe. What goes through it is not kept, only how much. */
s32 make_pipe(u32 *ends)
{
    ends[0] = PIPE_OUT;
    ends[1] = PIPE_IN;
    return 0;
}

static s32 read_pipe(u8 *to, u32 length)
{
    if (!events)
        return -EAGAIN;
    length = least(length, events);
    events -= length;
    for (u32 k = 0; k < length; k++)
        to[k] = 0;
    return length;
}

s32 read_file(u32 file, u32 address, u32 length)
{
    if (file == 0)
        return read_input((u8 *)address, length);
    if (file == PIPE_OUT)
        return read_pipe((u8 *)address, length);
    return file == EVENT_FILE ? read_events((u32 *)address) : -EBADF;
}

static s32 write_log(u32 *log, const u8 *from, u32 length)
{
    u32 written = log[0];
    if (written < LOG_BYTES)
        copy((u8 *)(log + 1) + written, from, least(length, LOG_BYTES - written));
    log[0] = written + length;
    return length;
}

s32 write_file(u32 file, u32 address, u32 length)
{
    if (file == 1 || file == 2)
        return write_log(LOG(file), (const u8 *)address, length);
    if (file != EVENT_FILE && file != PIPE_IN)
        return -EBADF;
    events += file == EVENT_FILE ? ((const u32 *)address)[LOW] : length;
    wake(ON_EPOLL, 0, THREADS);
    return length;
}

/* readv, writev: until a part is moved in part only. An error counts if nothing was moved before it. */
s32 each_part(s32 (*move)(u32, u32, u32), u32 file, const u32 *part, u32 count)
{
    u32 total = 0;
    for (; count--; part += 2) {
        s32 moved = move(file, part[0], part[1]);
        if (moved < 0)
            return total ? (s32)total : moved;
        total += moved;
        if ((u32)moved < part[1])
            break;
    }
    return total;
}

/* Pipes that belong to root. */
s32 describe_file(u32 file, u32 *status)
{
    if (file > 2)
        return -EBADF;
    for (u32 k = 0; k < STATUS_WORDS; k++)
        status[k] = 0;
    status[STATUS_MODE] = S_IFIFO | 0600;
    return 0;
}

s32 control_file(u32 file, u32 command)
{
    if (file > 2)
        return -EBADF;
    switch (command) {
    case F_GETFL:
        return file ? O_WRONLY : O_RDONLY;
    case F_GETFD:
    case F_SETFD:
    case F_SETFL:
        return 0;
    }
    return -EINVAL;
}

/* epoll_event: events, four bytes of padding, eight bytes for the program. */
s32 watch_events(u32 file, const u32 *event)
{
    if ((file == EVENT_FILE || file == PIPE_OUT) && event) {
        event_data[0] = event[2];
        event_data[1] = event[3];
    }
    return 0;
}

void fill_event(u32 *event)
{
    event[0] = EPOLLIN;
    event[2] = event_data[0];
    event[3] = event_data[1];
}

s32 wait_for_event(u32 *event, s32 milliseconds)
{
    if (events) {
        fill_event(event);
        return 1;
    }
    if (milliseconds) {
        wait_until_woken(ON_EPOLL, (u32)event);
        if (milliseconds > 0)
            set_deadline(milliseconds / 1000, milliseconds % 1000 * 1000000, 0);
    }
    return 0;
}
