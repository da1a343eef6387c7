# The canary: a boot sector that goes from real mode through paging into 64-bit code, as every stock kernel does, writes
# its word to the debug console at port 0xe9 and ends QEMU through isa-debug-exit at port 0xf4.
# Built into canary.bin by:  as canary.s -o c.o && ld -Ttext 0x7c00 --oformat binary c.o -o canary.bin
        .code16
        .globl _start
_start: cli
        cld
        xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw $0x7c00, %sp
        movw $0x9000, %di               # three zeroed pages: the tables of levels 4, 3 and 2
        movw $0x1800, %cx
        rep stosw
        movl $0xa003, 0x9000
        movl $0xb003, 0xa000
        movl $0x83, 0xb000              # the first 2 MiB, mapped onto themselves
        movl $0x20, %eax                # CR4.PAE
        movl %eax, %cr4
        movl $0x9000, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx          # EFER.LME
        rdmsr
        orl $0x100, %eax
        wrmsr
        lgdt gdtr
        movl %cr0, %eax
        orl $0x80000001, %eax           # CR0.PG and CR0.PE
        movl %eax, %cr0
        ljmpl $8, $long
        .code64
long:   movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %ss
        xorl %ebx, %ebx                 # work that must come out right and soon: 1 + 2 + ... + 2^25, through memory
        movl $0x2000000, %ecx
        movq $0x100000, %rdi
again:  movl %ecx, (%rdi)
        addl (%rdi), %ebx
        decl %ecx
        jnz again
        cmpl $0x1000000, %ebx
        jne stop
        movl $word, %esi
say:    lodsb
        testb %al, %al
        jz done
        outb %al, $0xe9
        jmp say
done:   movl $0x2a, %eax                # exit status 2 * 0x2a + 1 = 85
        outl %eax, $0xf4
stop:   hlt
        jmp stop
word:   .asciz "canary"
        .balign 8
gdt:    .quad 0
        .quad 0x00af9a000000ffff        # 64-bit code
        .quad 0x00cf92000000ffff        # data
gdtr:   .word gdtr - gdt - 1
        .long gdt
        .org 510
        .word 0xaa55
