/* Where a Cortex-M looks when it starts: the stack's top, and newlib's start-up for a debugger's files. */
extern void _start(void);
__attribute__((section(".vectors"), used)) static void *const vectors[2] = {(void *)0x20400000, (void *)_start};
