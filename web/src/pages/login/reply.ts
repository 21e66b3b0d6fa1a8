/**
 * What a user was told, as a device shows it. Menus may be written for devices that show web pages: their line
 * ends and signs are turned back into text. What comes out is text, and is never shown as anything else. Pure.
 */
export function readable(reply: string): string {
  const text = reply.replace(/\r\n?/g, '\n');
  if (!/<br\s*\/?>/i.test(text)) return text.trimEnd();
  const signs: Record<string, string> = { lt: '<', gt: '>', quot: '"', '#39': "'", '#x27': "'", amp: '&' };
  return text
    .replace(/<br\s*\/?>/gi, '\n')
    .replace(/&(lt|gt|quot|#39|#x27|amp);/gi, (whole, name: string) => signs[name.toLowerCase()] ?? whole)
    .trimEnd();
}
