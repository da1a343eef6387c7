# A guest of one sector that writes its disk from the second MiB on, as random as a generator of 32 bits is, for ever. The sector behind
# it is its log: how often it was started and, for each start, the range of its writes and a number of its own, which the generator
# begins with. When the log is written it says "guest up" on the first serial port, that number and how many writes are done, in four
# bytes each, and says so again every 16,384 writes, as nobody keeps all that it says; a dot when a write is done, and "broken" when one
# fails.
#   each sector of a write: its own number, the number of the start, and 126 times the number of the write, from 1 on
# Built into random.bin by:  as random.s -o r.o && ld -Ttext 0x7c00 --oformat binary r.o -o random.bin
        .code16
        .globl _start
_start: xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %ss
        movw $0x7c00, %sp
        movb %dl, drive
        movb $0x48, %ah                 # how large the drive is
        movw $about, %si
        int $0x13
        jc broken
        movl about+16, %ebp
        subl $2112, %ebp                # writes begin behind 2048 sectors and have 64 at most
        movw $0x1000, %ax
        movw %ax, %es
        movb $0x42, %ah
        call disk
        rdtsc
        movl %es:0, %ecx
        incl %ecx
        movl %ecx, %es:0
        movl %ecx, %ebx
        shll $24, %ebx
        xorl %ebx, %eax
        orl $1, %eax                    # the generator never leaves zero
        movl %eax, nonce
        movl %eax, state
        shlw $3, %cx
        movw %cx, %di
        movl %ebp, %es:(%di)
        movl %eax, %es:4(%di)
        movb $0x43, %ah
        call disk
        call tell

next:   incl count
        movl state, %eax                # xorshift32 (Marsaglia, 2003)
        movl %eax, %edx
        shll $13, %edx
        xorl %edx, %eax
        movl %eax, %edx
        shrl $17, %edx
        xorl %edx, %eax
        movl %eax, %edx
        shll $5, %edx
        xorl %edx, %eax
        movl %eax, state
        xorl %edx, %edx
        divl %ebp
        addl $2048, %edx
        movl %edx, block
        movl state, %ecx
        shrl $26, %ecx
        incw %cx                        # 1 to 64 sectors
        movw %cx, sectors
        shlw $7, %cx
        xorw %di, %di
        movl count, %eax
        cld
        rep stosl
        movw sectors, %cx
        xorw %di, %di
        movl nonce, %eax
1:      movl %edx, %es:(%di)
        movl %eax, %es:4(%di)
        incl %edx
        addw $512, %di
        loop 1b
        movb $0x43, %ah
        call disk
        movw $dot, %si
        call print
        testw $0x3fff, count
        jnz next
        call tell
        jmp next

tell:   movw $up, %si
        call print
        movw $nonce, %si
        movw $8, %cx
        rep outsb                       # nonce and count, to the port that print used
        ret

disk:   xorb %al, %al
        movb drive, %dl
        movw $packet, %si
        pushl %ebp
        int $0x13
        popl %ebp
        jc broken
        ret

broken: movw $bad, %si
        call print
idle:   sti
        hlt
        jmp idle

print:  lodsb
        testb %al, %al
        jz 1f
        movw $0x3f8, %dx
        outb %al, %dx
        jmp print
1:      ret

up:     .asciz "guest up\r\n"
bad:    .asciz "broken\r\n"
dot:    .asciz "."
drive:  .byte 0
        .balign 4
packet: .byte 16, 0
sectors: .word 1
        .word 0, 0x1000                 # from and to this memory
block:  .long 1, 0
nonce:  .long 0
count:  .long 0
state:  .long 0
about:  .word 26
        .skip 24
        .org 510
        .word 0xaa55
