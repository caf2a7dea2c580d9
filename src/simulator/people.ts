// Who the users are: invented people at example.com. Names and addresses are unique within a world.
import { hash, readSealed, sealedUuid } from './random.ts';

export type Person = { userId: string; name: string; email: string };

const GIVEN = (
  'Amara Aisha Akira Alejandro Ana Anders Anjali Ayşe Beatriz Björn Carlos Chidi Chloé Dalia Daniel Dimitri Ebele Elena ' +
  'Emeka Emily Farah Fatima Felix Freya Gabriel Giulia Grace Hana Hiroshi Ibrahim Ines Ingrid Ivan Jamal Jing José Jun Kamala ' +
  'Karim Kwame Laila Lars Leila Liam Lucía Malik Maria Marek Mei Minh Mohammed Nadia Naomi Ngozi Nikolai Noor Olga Omar Paolo ' +
  'Priya Rahul Rania René Rosa Samira Sanjay Sofía Tariq Thandiwe Tomás Valentina Wei Yara Yuki Yusuf Zainab Zoë Zofia'
).split(' ');

const FAMILY = (
  'Abebe Adeyemi Ahmed Almeida Andersson Bakker Banerjee Bauer Bianchi Castillo Chen Cohen Costa Dang Delacroix Demir Diallo ' +
  'Dubois Eriksen Farouk Fernández Fischer Fofana García Ghosh Gonçalves Haddad Hansen Hassan Hoang Horváth Ibáñez Ito Ivanova ' +
  'Jansen Jensen Kapoor Kaplan Kimura Kowalski Kumar Laurent Lindqvist López Mahlangu Martins Mbeki Mensah Mehta Moreau Müller ' +
  'Murphy Mwangi Nakamura Nguyễn Novák Nwosu Okafor Okonkwo Oliveira Owusu Papadopoulos Park Patel Pereira Petrov Qureshi ' +
  'Ramírez Rossi Sato Schneider Sharma Silva Sokolov Sørby Suzuki Tanaka Tembo Torres Usman Vargas Virtanen Walsh Weber Yamamoto ' +
  'Yılmaz Zhang Zhou'
).split(' ');

// Letters that Unicode does not split into a base letter and an accent.
const LETTERS: Record<string, string> = { ø: 'o', ı: 'i' };

/** The `generation`-th person in this seat of a world of `seats` seats. */
export function hirePerson(seed: number, seats: number, seat: number, generation: number): Person {
  const pairs = GIVEN.length * FAMILY.length;
  const nth = generation * seats + seat;
  // A stride that shares no factor with the number of pairs visits every pair once before any pair repeats.
  const pair = ((hash(seed) % pairs) + (nth % pairs) * strideFor(pairs)) % pairs;
  const given = GIVEN[pair % GIVEN.length]!;
  const family = FAMILY[Math.floor(pair / GIVEN.length)]!;
  const namesakes = Math.floor(nth / pairs);
  const local = `${given}.${family}${namesakes === 0 ? '' : namesakes + 1}`;
  return {
    userId: sealedUuid(seed, seat, generation),
    name: `${given} ${family}`,
    email: `${mailbox(local)}@example.com`,
  };
}

/** Adds a second family name, as after a wedding, to the name and the address. `choice` is at least 0 and below 1. */
export function renamePerson(person: Person, choice: number): Person {
  const added = FAMILY[Math.floor(choice * FAMILY.length)]!;
  const single = person.name.split('-')[0]!;
  const mail = person.email.split(/[-@]/)[0]!;
  const renamed = { name: `${single}-${added}`, email: `${mail}-${mailbox(added)}@example.com` };
  return { userId: person.userId, ...renamed };
}

/** The seat that an id may belong to. Only a candidate: compare the id with the id of the person in that seat. */
export function seatOf(seed: number, userId: string): number {
  return readSealed(seed, userId);
}

function strideFor(pairs: number): number {
  let stride = Math.floor(pairs * 0.618);
  while (commonFactor(stride, pairs) !== 1) stride += 1;
  return stride;
}

function commonFactor(a: number, b: number): number {
  return b === 0 ? a : commonFactor(b, a % b);
}

function mailbox(name: string): string {
  const plain = name
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '')
    .toLowerCase();
  return plain.replace(/[øı]/g, (letter) => LETTERS[letter]!);
}
