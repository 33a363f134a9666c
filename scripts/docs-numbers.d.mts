export interface MadeBlock {
  /** The line of bash that makes the block. */
  line: string;
  shown: string;
}
export function madeBlocks(text: string): MadeBlock[];
export function documents(): string[];
export function printed(line: string, directory: string): string;
