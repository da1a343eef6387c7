# The smallest thing that QEMU takes for a Linux kernel: a setup of one sector that prints "kernel up", its command line, and
# whether it was given a RAM disk. Built into kernel.bin by:  as kernel.s -o k.o && ld -Ttext 0 --oformat binary k.o -o kernel.bin
        .code16
        .globl _start
_start: .org 0x1f1
        .byte 1                         # sectors of setup
        .org 0x1fe
        .word 0xaa55
        jmp setup
        .ascii "HdrS"
        .word 0x0203                    # protocol
        .org 0x211
        .byte 1                         # loaded high
        .org 0x22c
        .long 0x37ffffff                # highest address of a RAM disk
        .org 0x240
setup:  movw $0x1000, %ax               # where QEMU's loader puts the setup
        movw %ax, %ds
        movw $up, %si
        call print
        movl 0x21c, %ecx                # size of the RAM disk
        movl 0x228, %esi                # address of the command line
        shrl $4, %esi
        movw %si, %ds
        xorw %si, %si
        call print
        movw $0x1000, %ax
        movw %ax, %ds
        testl %ecx, %ecx
        jz idle
        movw $disk, %si
        call print
idle:   hlt
        jmp idle
print:  lodsb
        testb %al, %al
        jz 1f
        movw $0x3f8, %dx
        outb %al, %dx
        jmp print
1:      ret
up:     .asciz "kernel up: "
disk:   .asciz " with a disk\r\n"
        .org 2048
        .byte 0
