/* Prints each face's expression: cc example.c mtcae_wire.c mtcae_request.c && ./a.out /dev/ttyUSB0, or frames from stdin. */
#define _DEFAULT_SOURCE
#include "mtcae_wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

static void take(mtcae_decoder *decoder, uint8_t byte)
{
    static mtcae_hello hello;
    static mtcae_up up;
    if (mtcae_decoder_push(decoder, byte, &up) != MTCAE_MESSAGE) return; /* `decoder->bad` counts what is no message */
    if (up.kind == MTCAE_HELLO) hello = up.as.hello;
    if (up.kind != MTCAE_REPORT || !up.as.report.has_face) return;
    int label = up.as.report.face.label;
    const char *name = label >= 0 && label < hello.label_count ? hello.labels[label] : "unsure";
    printf("face %lu: %s\n", (unsigned long)up.as.report.face.id, name);
}

int main(int argc, char **argv)
{
    int line = argc > 1 ? open(argv[1], O_RDWR | O_NOCTTY) : STDIN_FILENO;
    struct termios raw;
    if (line < 0) {
        perror(argv[1]);
        return 1;
    }
    if (argc > 1 && tcgetattr(line, &raw) == 0) {
        uint8_t request[1 + MTCAE_MAX_REQUEST] = {0}; /* a zero first ends what the board heard before */
        size_t len = 1 + mtcae_encode_hello(request + 1);
        cfmakeraw(&raw);
        cfsetspeed(&raw, B115200);
        if (tcsetattr(line, TCSANOW, &raw) != 0 || write(line, request, len) != (ssize_t)len) perror(argv[1]);
    }
    mtcae_decoder decoder;
    mtcae_decoder_init(&decoder);
    uint8_t bytes[256];
    for (ssize_t count; (count = read(line, bytes, sizeof bytes)) > 0; fflush(stdout))
        for (ssize_t i = 0; i < count; i++) take(&decoder, bytes[i]);
    return 0;
}
