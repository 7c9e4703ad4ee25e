/* Prints each face's expression: cc example.c mtcae_wire.c mtcae_request.c -o example && ./example /dev/ttyUSB0, or
 * frames from stdin. POSIX. */
#define _DEFAULT_SOURCE
#include "mtcae_wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

static mtcae_decoder decoder; /* zeros: has seen nothing */
static mtcae_up message;
static mtcae_hello hello;

static void take(uint8_t byte)
{
    mtcae_result result = mtcae_decoder_push(&decoder, byte, &message);
    if (result > MTCAE_MESSAGE) fprintf(stderr, "bad frame: error %d, %u\n", (int)result, decoder.detail);
    if (result != MTCAE_MESSAGE) return;
    if (message.kind == MTCAE_HELLO) hello = message.as.hello;
    if (message.kind != MTCAE_REPORT || !message.as.report.has_face) return;
    const mtcae_face *face = &message.as.report.face;
    const char *label = face->label >= 0 && face->label < hello.label_count ? hello.labels[face->label] : "unsure";
    printf("face %lu: %s\n", (unsigned long)face->id, label);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int line = argc > 1 ? open(argv[1], O_RDWR | O_NOCTTY) : STDIN_FILENO;
    struct termios raw;
    if (argc > 1 && tcgetattr(line, &raw) == 0) {
        uint8_t frame[1 + MTCAE_MAX_REQUEST] = {0}; /* a zero byte first: ends what the board heard before */
        ssize_t len = 1 + (ssize_t)mtcae_encode_hello(frame + 1);
        cfmakeraw(&raw);
        cfsetspeed(&raw, B115200);
        if (tcsetattr(line, TCSANOW, &raw) != 0 || write(line, frame, (size_t)len) != len) line = -1;
    }
    uint8_t bytes[256];
    ssize_t count;
    while ((count = read(line, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < count; i++) take(bytes[i]);
    if (count < 0) perror(argc > 1 ? argv[1] : "stdin");
    return count < 0;
}
