/* The decoder of mtcae_wire.h. */
#include "mtcae_wire.h"

#include <string.h>

#define DOWN_BIT 0x80
#define CRC_LEN 4
#define MIN_CONTENT (1 + 1 + CRC_LEN)

/* Four bits at a time: a table of 64 bytes instead of one of 1024. */
uint32_t mtcae_checksum(const uint8_t *bytes, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

bool mtcae_printable(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint8_t lead = text[i++], least = 0x80, most = 0xbf;
        size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0x80) {
            if (lead < 0x20 || lead == 0x7f) return false;
            continue;
        }
        if (lead < 0xc2 || lead > 0xf4 || more > len - i) return false;
        /* Control characters, then forms longer than needed, surrogates, and what is beyond U+10FFFF. */
        if (lead == 0xc2 || lead == 0xe0) least = 0xa0;
        if (lead == 0xf0) least = 0x90;
        if (lead == 0xed) most = 0x9f;
        if (lead == 0xf4) most = 0x8f;
        for (; more > 0; more--, least = 0x80, most = 0xbf) {
            if (text[i] < least || text[i] > most) return false;
            i++;
        }
    }
    return true;
}

/* ---- a body's fields; after the first one that is not acceptable `bad` stays set and the rest is zeros ---- */

typedef struct {
    const uint8_t *at, *end;
    bool bad;
} reader;

static uint8_t take_u8(reader *r, uint8_t most)
{
    if (!r->bad && r->at < r->end && *r->at <= most) return *r->at++;
    r->bad = true;
    return 0;
}

/* Seven bits a byte, lowest first, in the shortest form alone. */
static void take_u128(reader *r, uint64_t *low, uint64_t *high)
{
    *low = *high = 0;
    for (unsigned shift = 0; shift < 128; shift += 7) {
        uint8_t byte = take_u8(r, 0xff);
        uint64_t bits = byte & 0x7f;
        if (r->bad || (shift == 126 && bits > 3) || (shift > 0 && byte == 0)) break;
        if (shift < 64) *low |= bits << shift;
        if (shift == 63) *high = bits >> 1;
        if (shift > 63) *high |= bits << (shift - 64);
        if (byte < 0x80) return;
    }
    r->bad = true;
}

static uint64_t take_number(reader *r, uint64_t most)
{
    uint64_t low, high;
    take_u128(r, &low, &high);
    if (high == 0 && low <= most && !r->bad) return low;
    r->bad = true;
    return 0;
}

static uint64_t take_u64(reader *r) { return take_number(r, UINT64_MAX); }
static uint32_t take_u32(reader *r) { return (uint32_t)take_number(r, UINT32_MAX); }
static uint16_t take_u16(reader *r) { return (uint16_t)take_number(r, UINT16_MAX); }
static uint16_t take_share(reader *r) { return (uint16_t)take_number(r, MTCAE_SCALE); }
static bool take_bool(reader *r) { return take_u8(r, 1) == 1; }

/* Zigzag: 0, -1, 1, -2 and so on. */
static int64_t take_signed(reader *r, uint64_t most)
{
    uint64_t zigzag = take_number(r, most);
    return zigzag & 1 ? -1 - (int64_t)(zigzag >> 1) : (int64_t)(zigzag >> 1);
}

static int16_t take_place(reader *r)
{
    int64_t place = take_signed(r, UINT16_MAX);
    if (place < -MTCAE_SCALE || place > 2 * MTCAE_SCALE) r->bad = true;
    return (int16_t)place;
}

static void take_text(reader *r, char *text, size_t most)
{
    size_t len = (size_t)take_number(r, most);
    if (r->bad || len > (size_t)(r->end - r->at) || !mtcae_printable(r->at, len)) {
        r->bad = true;
        len = 0;
    }
    memcpy(text, r->at, len);
    text[len] = 0;
    r->at += len;
}

#define TAKE_TEXT(r, field) take_text(r, field, sizeof(field) - 1)

/* ---- messages: the fields in the order of the line ---- */

static void take_hello(reader *r, mtcae_hello *m)
{
    m->protocol = take_u8(r, 0xff);
    m->boot = take_u32(r);
    TAKE_TEXT(r, m->device);
    TAKE_TEXT(r, m->firmware);
    TAKE_TEXT(r, m->model);
    TAKE_TEXT(r, m->model_version);
    TAKE_TEXT(r, m->engine);
    m->label_count = (uint8_t)take_number(r, MTCAE_MAX_LABELS);
    for (unsigned i = 0; i < m->label_count; i++) TAKE_TEXT(r, m->labels[i]);
}

static bool same_text(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++) {}
    return *a == *b;
}

static bool hello_holds(const mtcae_hello *m)
{
    for (unsigned i = 1; i < m->label_count; i++)
        for (unsigned j = 0; j < i; j++)
            if (same_text(m->labels[i], m->labels[j])) return false;
    return true;
}

static void take_face(reader *r, mtcae_face *f)
{
    f->id = take_u32(r);
    f->area.x = take_place(r);
    f->area.y = take_place(r);
    f->area.w = take_place(r);
    f->area.h = take_place(r);
    for (unsigned i = 0; i < MTCAE_LANDMARKS; i++) {
        f->landmarks[i].x = take_place(r);
        f->landmarks[i].y = take_place(r);
    }
    f->confidence = take_share(r);
    f->score_count = (uint8_t)take_number(r, MTCAE_MAX_LABELS);
    for (unsigned i = 0; i < f->score_count; i++) f->scores[i] = take_share(r);
    f->label = take_bool(r) ? (int16_t)take_u8(r, 0xff) : -1;
    f->smoothing = (mtcae_smoothing)take_u8(r, MTCAE_STABLE);
    f->quality = take_u8(r, 31);
}

static void take_report(reader *r, mtcae_report *m)
{
    m->boot = take_u32(r);
    m->seq = take_u32(r);
    m->captured_us = take_u64(r);
    m->age_us = take_u32(r);
    m->width = take_u16(r);
    m->height = take_u16(r);
    m->dropped = take_u32(r);
    m->faces = take_u8(r, 0xff);
    m->has_face = take_bool(r);
    if (m->has_face) take_face(r, &m->face);
}

static bool report_holds(const mtcae_report *m)
{
    const mtcae_face *f = &m->face;
    if (m->has_face != (m->faces > 0)) return false;
    if (!m->has_face) return true;
    if (f->area.w < 0 || f->area.h < 0 || f->label >= f->score_count) return false;
    return (f->smoothing == MTCAE_UNSURE) == (f->label < 0);
}

static void take_times(reader *r, mtcae_percentiles *times)
{
    times->p50_us = take_u32(r);
    times->p99_us = take_u32(r);
}

static void take_status(reader *r, mtcae_status *m)
{
    m->boot = take_u32(r);
    m->uptime_ms = take_u64(r);
    m->has_unix_offset = take_bool(r);
    if (m->has_unix_offset) m->unix_offset_us = take_signed(r, UINT64_MAX);
    TAKE_TEXT(r, m->engine);
    m->camera = (mtcae_camera_state)take_u8(r, MTCAE_CAMERA_PRIVATE);
    m->sink = (mtcae_sink_state)take_u8(r, MTCAE_SINK_LOST);
    m->frames = take_u32(r);
    m->clips = take_u32(r);
    m->reports = take_u32(r);
    m->dropped_frames = take_u32(r);
    m->dropped_reports = take_u32(r);
    m->bad_received = take_u32(r);
    m->reconnects = take_u32(r);
    m->fps_tenths = take_u16(r);
    m->has_temperature = take_bool(r);
    if (m->has_temperature) m->temperature_tenths_c = (int16_t)take_signed(r, UINT16_MAX);
    m->rss_kib = take_u32(r);
    take_times(r, &m->decode);
    take_times(r, &m->crop);
    take_times(r, &m->infer);
    take_times(r, &m->outputs);
    take_times(r, &m->encode);
    m->engine_part = (mtcae_condition)take_u8(r, MTCAE_BAD);
    m->storage = (mtcae_condition)take_u8(r, MTCAE_BAD);
    m->temperature = (mtcae_condition)take_u8(r, MTCAE_BAD);
    m->memory = (mtcae_condition)take_u8(r, MTCAE_BAD);
    m->clock = (mtcae_condition)take_u8(r, MTCAE_BAD);
    m->clips_tenths = take_u16(r);
}

static void take_slots(reader *r, mtcae_slot_pair *pair)
{
    pair->active = take_bool(r) ? (int8_t)take_u8(r, 1) : -1;
    for (unsigned i = 0; i < 2; i++) {
        mtcae_slot *slot = &pair->slots[i];
        slot->used = take_bool(r);
        if (!slot->used) continue;
        slot->transfer = take_u32(r);
        TAKE_TEXT(r, slot->version);
        slot->security_counter = take_u32(r);
        slot->state = (mtcae_slot_state)take_u8(r, MTCAE_SLOT_FAILED);
    }
}

static void take_all_slots(reader *r, mtcae_slots *m)
{
    m->token = take_u32(r);
    TAKE_TEXT(r, m->family);
    take_slots(r, &m->model);
    take_slots(r, &m->daemon);
    m->trial_starts_left = take_bool(r) ? (int16_t)take_u8(r, 0xff) : -1;
    m->security_counter = take_u32(r);
    m->free_bytes = take_u64(r);
}

static void take_update_state(reader *r, mtcae_update_state *m)
{
    m->token = take_u32(r);
    m->transfer = take_u32(r);
    m->phase = (mtcae_update_phase)take_u8(r, MTCAE_INSTALLED);
    m->chunks = take_u32(r);
    m->durable = take_u32(r);
    m->received = take_u32(r);
    take_u128(r, &m->later_low, &m->later_high);
    m->window = take_u16(r);
    m->checked = take_u32(r);
}

static bool update_state_holds(const mtcae_update_state *m)
{
    if (m->checked > m->durable || m->durable > m->received || m->received > m->chunks || m->window > 128) return false;
    /* Bit `chunks - received - 2` is the file's last chunk: that one may be set and none above it. */
    uint32_t bits = m->chunks - m->received;
    bits = bits > 0 ? bits - 1 : 0;
    if (bits >= 128) return true;
    if (bits >= 64) return m->later_high >> (bits - 64) == 0;
    return m->later_high == 0 && m->later_low >> bits == 0;
}

static void take_mode(reader *r, mtcae_mode *mode)
{
    TAKE_TEXT(r, mode->format);
    mode->width = take_u16(r);
    mode->height = take_u16(r);
    mode->fps_tenths = take_u16(r);
}

static void take_fields(reader *r, mtcae_up *up)
{
    switch (up->kind) {
    case MTCAE_HELLO: take_hello(r, &up->as.hello); break;
    case MTCAE_REPORT: take_report(r, &up->as.report); break;
    case MTCAE_STATUS: take_status(r, &up->as.status); break;
    case MTCAE_LOG:
        up->as.log.level = (mtcae_level)take_u8(r, MTCAE_LEVEL_DEBUG);
        up->as.log.at_us = take_u64(r);
        TAKE_TEXT(r, up->as.log.text);
        break;
    case MTCAE_PONG:
        up->as.pong.token = take_u32(r);
        up->as.pong.board_us = take_u64(r);
        break;
    case MTCAE_ACK: up->as.ack.token = take_u32(r); break;
    case MTCAE_NACK:
        up->as.nack.token = take_u32(r);
        up->as.nack.reason = (mtcae_reason)take_u8(r, MTCAE_FAILED);
        TAKE_TEXT(r, up->as.nack.detail);
        break;
    case MTCAE_SLOTS: take_all_slots(r, &up->as.slots); break;
    case MTCAE_UPDATE_STATE: take_update_state(r, &up->as.update_state); break;
    case MTCAE_UPDATE_REFUSED:
        up->as.update_refused.token = take_u32(r);
        up->as.update_refused.transfer = take_u32(r);
        up->as.update_refused.refusal = (mtcae_refusal)take_u8(r, MTCAE_NOT_ALLOWED);
        TAKE_TEXT(r, up->as.update_refused.detail);
        break;
    case MTCAE_CAMERA_MODE:
        up->as.camera_mode.token = take_u32(r);
        up->as.camera_mode.index = take_u16(r);
        up->as.camera_mode.count = take_u16(r);
        take_mode(r, &up->as.camera_mode.mode);
        up->as.camera_mode.current = take_bool(r);
        up->as.camera_mode.readable = take_bool(r);
        break;
    }
}

/* Whether the fields agree with each other. */
static bool holds(const mtcae_up *up)
{
    switch (up->kind) {
    case MTCAE_HELLO: return hello_holds(&up->as.hello);
    case MTCAE_REPORT: return report_holds(&up->as.report);
    case MTCAE_UPDATE_STATE: return update_state_holds(&up->as.update_state);
    case MTCAE_CAMERA_MODE: return up->as.camera_mode.index < up->as.camera_mode.count;
    default: return true;
    }
}

/* ---- frames ---- */

/* COBS back in place: moves the content to the front and gives its length, or -1 when the codes do not add up. A frame
 * that fits the decoder has one group of full length at most, and then nothing else. */
static int unstuff(uint8_t *frame, unsigned len)
{
    unsigned code = 0, filled = 0;
    while (code < len) {
        unsigned next = code + frame[code];
        if (next > len) return -1;
        for (code++; code < next; code++) frame[filled++] = frame[code];
        if (code < len) frame[filled++] = 0;
    }
    return (int)filled;
}

static mtcae_result say(mtcae_decoder *decoder, mtcae_result result, uint8_t detail)
{
    decoder->detail = detail;
    return result;
}

static mtcae_result take_frame(mtcae_decoder *decoder, uint8_t frame_len, mtcae_up *message)
{
    uint8_t *content = decoder->bytes;
    int len = unstuff(content, frame_len);
    if (len < 0) return say(decoder, MTCAE_FRAMING, frame_len);
    if (len < MIN_CONTENT) return say(decoder, MTCAE_SHORT, (uint8_t)len);
    const uint8_t *crc = content + len - CRC_LEN;
    uint32_t received = crc[0] | (uint32_t)crc[1] << 8 | (uint32_t)crc[2] << 16 | (uint32_t)crc[3] << 24;
    if (received != mtcae_checksum(content, (size_t)len - CRC_LEN)) return say(decoder, MTCAE_CHECKSUM, 0);
    if (content[0] & DOWN_BIT) return say(decoder, MTCAE_DIRECTION, 0);
    if (content[0] != MTCAE_VERSION) return say(decoder, MTCAE_OTHER_VERSION, content[0]);
    uint8_t kind = content[1];
    if (kind > MTCAE_CAMERA_MODE) return say(decoder, MTCAE_UNKNOWN_KIND, kind);
    reader r = {content + 2, crc, false};
    memset(message, 0, sizeof *message);
    message->kind = (mtcae_kind)kind;
    take_fields(&r, message);
    if (r.bad || r.at != r.end) return say(decoder, MTCAE_BODY, kind);
    return holds(message) ? MTCAE_MESSAGE : say(decoder, MTCAE_INVALID, kind);
}

void mtcae_decoder_init(mtcae_decoder *decoder) { memset(decoder, 0, sizeof *decoder); }

void mtcae_decoder_reset(mtcae_decoder *decoder)
{
    decoder->len = 0;
    decoder->skipping = false;
}

static mtcae_result step(mtcae_decoder *decoder, uint8_t byte, mtcae_up *message)
{
    if (byte == 0) {
        uint8_t len = decoder->len;
        mtcae_decoder_reset(decoder);
        /* Nothing between two delimiters is no frame; a sender may end what was before it. */
        return len == 0 ? MTCAE_NOTHING : take_frame(decoder, len, message);
    }
    if (decoder->skipping) return MTCAE_NOTHING;
    if (decoder->len < sizeof decoder->bytes) {
        decoder->bytes[decoder->len++] = byte;
        return MTCAE_NOTHING;
    }
    decoder->len = 0;
    decoder->skipping = true;
    return say(decoder, MTCAE_OVERLONG, 0);
}

static void count(uint32_t *counter)
{
    if (*counter < UINT32_MAX) ++*counter;
}

mtcae_result mtcae_decoder_push(mtcae_decoder *decoder, uint8_t byte, mtcae_up *message)
{
    mtcae_result result = step(decoder, byte, message);
    if (result == MTCAE_NOTHING) return result;
    count(result == MTCAE_MESSAGE ? &decoder->good : &decoder->bad);
    if (result == MTCAE_OVERLONG) count(&decoder->overlong);
    return result;
}
