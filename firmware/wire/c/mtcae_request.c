/* The requests of mtcae_wire.h. Their content begins at frame[1], behind the first code of COBS. */
#include "mtcae_wire.h"

#include <string.h>

static uint8_t *put_number(uint8_t *at, uint64_t value)
{
    for (; value > 0x7f; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *begin(uint8_t *frame, uint8_t kind)
{
    frame[1] = MTCAE_VERSION | 0x80;
    frame[2] = kind;
    return frame + 3;
}

/* Puts checksum, codes and delimiter around the content; gives the frame's length. */
static size_t seal(uint8_t *frame, uint8_t *end)
{
    uint32_t crc = mtcae_checksum(frame + 1, (size_t)(end - frame - 1));
    for (int i = 0; i < 4; i++, crc >>= 8) *end++ = (uint8_t)crc;
    *end = 0;
    uint8_t *code = frame;
    for (uint8_t *at = frame + 1; at <= end; at++) {
        if (*at != 0) continue;
        *code = (uint8_t)(at - code);
        code = at;
    }
    return (size_t)(end - frame) + 1;
}

size_t mtcae_encode_hello(uint8_t frame[MTCAE_MAX_REQUEST]) { return seal(frame, begin(frame, 0)); }

size_t mtcae_encode_request(uint8_t frame[MTCAE_MAX_REQUEST], mtcae_request request, uint32_t token)
{
    return seal(frame, put_number(begin(frame, (uint8_t)request), token));
}

size_t mtcae_encode_set_time(uint8_t frame[MTCAE_MAX_REQUEST], uint32_t token, uint64_t unix_us)
{
    return seal(frame, put_number(put_number(begin(frame, 2), token), unix_us));
}

size_t mtcae_encode_logs_query(uint8_t frame[MTCAE_MAX_REQUEST], uint32_t token, uint8_t lines)
{
    uint8_t *at = put_number(begin(frame, 9), token);
    *at++ = lines;
    return seal(frame, at);
}

size_t mtcae_encode_camera(uint8_t frame[MTCAE_MAX_REQUEST], uint32_t token, mtcae_camera_action action,
                           const mtcae_mode *mode)
{
    uint8_t *at = put_number(put_number(begin(frame, 12), token), (uint64_t)action);
    if (action == MTCAE_STOP || action == MTCAE_START) return seal(frame, at);
    if (action != MTCAE_CHOOSE || mode == NULL) return 0;
    size_t len = 0;
    while (len < sizeof mode->format && mode->format[len] != 0) len++;
    if (len == sizeof mode->format || !mtcae_printable((const uint8_t *)mode->format, len)) return 0;
    at = put_number(at, len);
    memcpy(at, mode->format, len);
    at = put_number(put_number(at + len, mode->width), mode->height);
    return seal(frame, put_number(at, mode->fps_tenths));
}

size_t mtcae_encode_subscribe(uint8_t frame[MTCAE_MAX_REQUEST], uint32_t token, const mtcae_subscription *wanted)
{
    uint8_t *at = put_number(begin(frame, 13), token);
    if (wanted->statuses && wanted->status_every_ms < 100) return 0;
    if (wanted->logs && (unsigned)wanted->log > MTCAE_LEVEL_DEBUG) return 0;
    *at++ = wanted->reports;
    if (wanted->reports) at = put_number(at, wanted->report_every_ms);
    *at++ = wanted->statuses;
    if (wanted->statuses) at = put_number(at, wanted->status_every_ms);
    *at++ = wanted->logs;
    if (wanted->logs) *at++ = (uint8_t)wanted->log;
    return seal(frame, at);
}
