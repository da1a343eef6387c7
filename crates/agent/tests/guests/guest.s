# A guest of one sector. It says "guest up" on the first serial port and then, by the letter at byte 508:
#   s  ignores everything          o  powers off when the power button is pressed
#   q  powers off at once          w  writes its disk over and over, 32 KiB at a time
#   m  writes 16 MiB from the first on over and over, 32 KiB at a time, each beginning with the number of the write, from 1 on
# Built into guest.bin by:  as guest.s -o g.o && ld -Ttext 0x7c00 --oformat binary g.o -o guest.bin
        .code16
        .globl _start
_start: xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw $0x7c00, %sp
        movb %dl, drive
        movw $up, %si
        call print
        movb letter, %al
        cmpb $'q', %al
        je off
        cmpb $'o', %al
        je obey
        cmpb $'w', %al
        je write
        cmpb $'m', %al
        je mark
idle:   sti
        hlt
        jmp idle

obey:   movw $0x602, %dx                # PM1 enable: the power button, bit 8
        movw $0x100, %ax
        outw %ax, %dx
wait:   sti                             # woken 18 times a second by the timer
        hlt
        movw $0x600, %dx                # PM1 status
        inw %dx, %ax
        testb $1, %ah
        jz wait
        movw $bye, %si
        call print
off:    movw $0x604, %dx                # PM1 control: sleep type 0 is S5 on this chipset
        movw $0x2000, %ax
        outw %ax, %dx
        jmp idle

mark:   incl count
        movl count, %eax
        movw $0x1000, %bx
        movw %bx, %es
        movl %eax, %es:0
        andl $511, %eax
        shll $6, %eax
        addl $2048, %eax
        movl %eax, block
        call put
        jmp mark

write:  call put
        addl $64, block
        jmp write

put:    movb $0x43, %ah                 # extended write of the packet, without verification
        xorb %al, %al
        movb drive, %dl
        movw $packet, %si
        int $0x13
        jc idle
        movw $dot, %si
                                        # and back from there
print:  lodsb
        testb %al, %al
        jz 1f
        movw $0x3f8, %dx
        outb %al, %dx
        jmp print
1:      ret

up:     .asciz "guest up\r\n"
bye:    .asciz "bye\r\n"
dot:    .asciz "."
drive:  .byte 0
        .balign 4
packet: .byte 16, 0
        .word 64                        # sectors
        .word 0, 0x1000                 # from this memory
block:  .long 0, 0
count:  .long 0
        .org 508
letter: .byte 's'
        .byte 0
        .word 0xaa55
